"""Work that goes on beside everything else, for as long as the program does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any


def run_beside(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """A task that runs until the stack is unwound."""
    task = asyncio.create_task(work, name=name)

    async def ended() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(ended)
