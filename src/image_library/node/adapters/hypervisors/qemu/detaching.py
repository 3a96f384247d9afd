"""Starting a program that goes on when the daemon ends."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence

from image_library.domain.errors import HypervisorMissing


async def detached(command: Sequence[str], *, folder: str, log: int, inherited: Sequence[int]) -> None:
    """Starts it in ``folder`` with these further open files; returns at once, without knowing how it fares.

    ``log`` takes its words and is closed here.

    Raises:
        HypervisorMissing: there is no ``setsid``.
    """
    try:
        detach = shutil.which("setsid")
        if detach is None:
            raise HypervisorMissing(
                "setsid is not installed.", remedy="Install it: apt-get install util-linux."
            )
        # setsid forks and leaves: the program becomes a child of init, in a session of its own.
        process = await asyncio.create_subprocess_exec(
            *(detach, "--fork", *command),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=log,
            cwd=folder,
            env={"LC_ALL": "C"},
            pass_fds=inherited,
        )
        await process.wait()
    finally:
        os.close(log)
