"""A VM's process: found by its pid file, believed only if it lives in the VM's folder, ended by pidfd."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from image_library.node.adapters.hypervisors.qemu.places import PID


class VmProcess:
    """Stands for one process for good: its number may be given to another, its pidfd may not."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self._pidfd = pidfd

    @classmethod
    def find(cls, folder: int) -> VmProcess | None:
        """The process of the VM whose folder this descriptor is, None where it does not run."""
        pid = _read_pid(folder)
        if pid is None:
            return None
        try:
            pidfd = os.pidfd_open(pid)
        except (ProcessLookupError, OSError):
            return None
        # Judged after the pidfd was taken: from here on, it is surely this process.
        if _lives_in(pid, folder):
            return cls(pid, pidfd)
        os.close(pidfd)
        return None

    async def ended(self) -> None:
        """Waits until it is gone."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        # Several may wait at once, and a loop has one reader a descriptor.
        mine = os.dup(self._pidfd)
        loop.add_reader(mine, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(mine)
            os.close(mine)

    async def ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.ended(), seconds)
        except TimeoutError:
            return False
        return True

    def kill(self) -> None:
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    def close(self) -> None:
        os.close(self._pidfd)


def _read_pid(folder: int) -> int | None:
    try:
        descriptor = os.open(PID, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(32).strip()
    return int(text) if text.isdigit() and int(text) > 1 else None


def _lives_in(pid: int, folder: int) -> bool:
    """Whether its working directory is the folder, as we start it. A dead process that waits to be
    collected has none."""
    try:
        return os.path.samestat(Path(f"/proc/{pid}/cwd").stat(), os.fstat(folder))
    except OSError:
        return False
