"""Work that goes on beside everything else while a node serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger()


@asynccontextmanager
async def in_background(work: Coroutine[object, object, None], name: str) -> AsyncGenerator[None]:
    """Let the work run while the block lasts; an end that it should not have is logged."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell_of_its_end)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def _tell_of_its_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background_work_broke", work=task.get_name(), exc_info=error)
