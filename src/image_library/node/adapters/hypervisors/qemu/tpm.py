"""A VM's TPM 2.0: swtpm beside its qemu, at the other end of one connection.

The connection is made here and each program inherits its end: there is no path that somebody else could
open, nothing to wait for, and when one program ends the other hears of it. So swtpm ends with its VM,
whatever ended that. If it cannot start, qemu does not either, and says so. Its state is a file in the VM's
folder, which lives and goes with the VM.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from image_library.domain.errors import TpmMissing
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.detaching import detached

PROGRAM = "swtpm"
# The file that it holds locked while it runs.
LOCK = ".lock"
GONE_SECONDS = 5.0
# How machines of each architecture are given a TPM.
DEVICES = {"x86_64": "tpm-crb", "aarch64": "tpm-tis-device"}


def find_tpm(search_path: str | None = None) -> str:
    """The path of swtpm.

    Raises:
        TpmMissing: it is not installed.
    """
    program = shutil.which(PROGRAM, path=search_path)
    if program is None:
        raise TpmMissing("swtpm is not installed on this node.")
    return program


@asynccontextmanager
async def tpm_beside(program: str | None, folder: str) -> AsyncGenerator[int | None]:
    """A TPM that waits for qemu, which inherits the descriptor; None where the VM has none.

    Once the block is left only qemu holds that end: if it has not started, the TPM ends again.
    """
    if program is None:
        yield None
        return
    ours, its = socket.socketpair()
    with ours, its:
        await tpm_gone(folder)
        await _start(program, folder, its.fileno())
        # From here on it alone has its end.
        its.close()
        yield ours.fileno()


async def _start(program: str, folder: str, descriptor: int) -> None:
    with places.opened(folder) as opened:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        log = os.open(places.TPM_LOG, flags, 0o600, dir_fd=opened)
    # Not its own --daemon, which would leave the VM's folder; as a path that may have commas.
    words = ("socket", "--tpm2", "--terminate", "--tpmstate", "dir=.,mode=0600")
    control = ("--ctrl", f"type=unixio,clientfd={descriptor}")
    await detached((program, *words, *control), folder=folder, log=log, inherited=(descriptor,))


async def tpm_gone(folder: str) -> None:
    """Waits until the TPM of a VM that ended has put its state away; no TPM is gone already.

    One that hangs is not waited for: its VM's next start will say so.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(GONE_SECONDS):
            # Its file lock is all that can be seen of it, and nobody tells when that is let go.
            while await asyncio.to_thread(_is_locked, folder):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def _is_locked(folder: str) -> bool:
    try:
        with places.opened(folder) as opened:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(LOCK, flags, dir_fd=opened), "rb+") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
