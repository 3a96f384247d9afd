"""Waiting for whichever comes first: a bell or some time."""

from __future__ import annotations

import asyncio

from image_library.controlplane.ports.clock import Clock
from image_library.domain.changes import Changed


async def bell_or_time(bell: Changed, clock: Clock, seconds: float) -> None:
    """Returns when ``bell`` rings, at the latest after ``seconds``."""
    tasks = [asyncio.ensure_future(bell.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
