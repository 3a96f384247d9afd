"""What people type at a console, handed on for as long as it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Write = Callable[[bytes], Awaitable[None]]


@asynccontextmanager
async def typing(
    typed: AsyncIterator[bytes], write: Write, ended: Callable[[], object]
) -> AsyncGenerator[asyncio.Task[None]]:
    """Hands on what is typed while the block runs; ``ended`` is called when there will be no more."""

    async def hand_on() -> None:
        async for data in typed:
            await write(data)

    task = asyncio.create_task(hand_on())
    task.add_done_callback(lambda _: ended())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
