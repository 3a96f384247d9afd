"""Whether guests run on the processor itself: tried out, since /dev/kvm can be there and not work."""

from __future__ import annotations

import asyncio
import platform
from asyncio.subprocess import DEVNULL, PIPE

import structlog

from image_library.domain.machine import Accelerator

log = structlog.get_logger()

PROBE_SECONDS = 5.0
# What the BIOS says first on its debug port: then guest code has really run.
_FIRST_WORDS = b"SeaBIOS"


class Accelerators:
    """``choice`` is "auto", "kvm" or "tcg". The answer of a trial is remembered."""

    def __init__(self, choice: str = "auto") -> None:
        self._choice = choice
        self._works: dict[str, bool] = {}
        self._trial = asyncio.Lock()

    async def choose(self, architecture: str, program: str) -> Accelerator:
        """How guests of that architecture are run by the program with that path."""
        if self._choice != "auto":
            return Accelerator(self._choice)
        if architecture != platform.machine():
            return Accelerator.TCG
        async with self._trial:
            if program not in self._works:
                self._works[program] = await _kvm_works(architecture, program)
                log.info("kvm_tried", program=program, works=self._works[program])
            return Accelerator.KVM if self._works[program] else Accelerator.TCG


async def _kvm_works(architecture: str, program: str) -> bool:
    """Starts an empty guest: a BIOS speaks at once; elsewhere it must merely stay up."""
    speaks = architecture == "x86_64"
    machine = ("q35", "-debugcon", "stdio") if speaks else ("virt", "-serial", "stdio")
    process = await asyncio.create_subprocess_exec(
        program,
        *("-accel", "kvm", "-cpu", "host", "-m", "64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-no-reboot", "-machine", *machine),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        env={"LC_ALL": "C"},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PROBE_SECONDS if speaks else PROBE_SECONDS / 5):
            heard = b""
            while chunk := await process.stdout.read(1024):
                heard = heard[-len(_FIRST_WORDS) :] + chunk
                if _FIRST_WORDS in heard:
                    return True
            return False
    except TimeoutError:
        return not speaks
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
