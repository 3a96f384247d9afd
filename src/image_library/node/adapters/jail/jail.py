"""Runs one program at a time of its caller's in a jail, and tells how it ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from image_library.domain.errors import JailedProgramDied, JailMissing, printable
from image_library.node.adapters.jail import entry
from image_library.node.adapters.jail.walls import (
    DEVICES,
    LIBRARIES,
    Wall,
    bubblewrapped,
)

_CHUNK = 64 << 10
# What is left in the pipes of a killed process comes at once.
_DRAIN_SECONDS = 5.0
# As a script it would be compiled at each start; imported, it comes from Python's cache of this very source.
_START = "import sys; sys.path.append(sys.argv.pop(1)); import entry; entry.main(sys.argv[1:])"
_FOLDER = str(Path(entry.__file__).resolve().parent)
# "-I -S": no environment, no user's folder, no "site", whose work would take longer than the program's.
_PYTHON = (sys.executable, "-I", "-S", "-c", _START, _FOLDER)


@dataclass(frozen=True, kw_only=True)
class JailLimits:
    """What a program may use. Sizes in bytes; None where the kernel's own limit is to hold."""

    wall_seconds: float = 30.0
    cpu_seconds: int = 30
    # Address space, not resident memory. Benign runs of qemu-img need less than half of this.
    memory: int | None = 1 << 30
    # The largest file that it may write; 0: none.
    file_size: int | None = 0
    descriptors: int = 64
    # How many processes and threads its user may have in all; 0 forbids new ones. Root is never limited.
    processes: int | None = None
    # Of each of its two outputs.
    output: int = 1 << 20

    def as_arguments(self) -> tuple[str, ...]:
        numbers = {
            "cpu": self.cpu_seconds,
            "memory": self.memory,
            "file": self.file_size,
            "descriptors": self.descriptors,
            "processes": self.processes,
        }
        return tuple(f"{name}={number}" for name, number in numbers.items() if number is not None)


@dataclass(frozen=True, kw_only=True)
class JailResult:
    """``status`` is the program's own; what it says in each of its outputs is whole."""

    status: int
    output: bytes
    said: bytes


class Jail:
    """``wall`` shuts programs in: ``best_wall()``, or an operator's decision. None: there is nothing."""

    def __init__(self, wall: Wall | None) -> None:
        self._wall = wall

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: JailLimits,
        readable: Sequence[int] = (),
        writable: Sequence[int] = (),
        places: Sequence[str] = (),
        heard: Callable[[bytes], None] | None = None,
    ) -> JailResult:
        """Runs the program ``argv[0]``, an absolute path, to its end.

        It may open the open files in ``readable`` and ``writable`` by "/proc/self/fd/N" or by their own
        names, the libraries of the machine, and what lies in ``places`` (code and data that it needs); it
        has no network, no environment and no standard input. It ends with this process. ``heard`` is told
        what it says on standard output, as it comes.

        Raises:
            JailMissing: nothing shuts programs in here.
            JailedProgramDied: it was killed by a signal, ran too long, said too much or could not be started.
        """
        name = Path(argv[0]).name
        if self._wall is None:
            raise JailMissing(f"{name} is not started: this machine can shut no program in.")
        command = _command(
            self._wall, tuple(argv), limits, readable=readable, writable=writable, places=places
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env={"LC_ALL": "C"},
            pass_fds=(*readable, *writable),
            # Not process_group: uvloop does not know it.
            start_new_session=True,
        )
        try:
            return await _ended(process, name, limits, heard)
        finally:
            await _end_group(process)


def _command(
    wall: Wall,
    argv: tuple[str, ...],
    limits: JailLimits,
    *,
    readable: Sequence[int],
    writable: Sequence[int],
    places: Sequence[str],
) -> tuple[str, ...]:
    program = os.path.realpath(argv[0])
    opened = [*LIBRARIES, *DEVICES, program, argv[0], *places]
    words = [f"parent={os.getpid()}", f"wall={wall.value}", *limits.as_arguments()]
    if wall is Wall.BUBBLEWRAP:
        # It must make processes itself before it can forbid them.
        words = [word for word in words if not word.startswith("processes=")]
        argv = bubblewrapped(argv, places=opened, readable=readable, writable=writable)
    words += [f"place={place}" for place in opened]
    words += [f"readable={n}" for n in readable] + [f"writable={n}" for n in writable]
    return (*_PYTHON, *words, "--", *argv)


async def _ended(
    process: Process, name: str, limits: JailLimits, heard: Callable[[bytes], None] | None
) -> JailResult:
    try:
        async with asyncio.timeout(limits.wall_seconds):
            output, said = await _outputs(process, name, limits.output, heard)
            status = await process.wait()
    except TimeoutError as error:
        raise JailedProgramDied(f"{name} did not finish within {limits.wall_seconds:g} s.") from error
    return _judged(JailResult(status=status, output=output, said=said), name)


async def _outputs(
    process: Process, name: str, most: int, heard: Callable[[bytes], None] | None
) -> tuple[bytes, bytes]:
    streams = ((process.stdout, heard), (process.stderr, None))
    reading = [asyncio.ensure_future(_all_of(stream, name, most, told)) for stream, told in streams]
    try:
        output, said = await asyncio.gather(*reading)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return output, said


def _judged(result: JailResult, name: str) -> JailResult:
    # Bubblewrap tells a death by signal as a shell does; no program in the jail ends like that by itself.
    number = -result.status if result.status < 0 else result.status - 128
    if 0 < number < signal.NSIG:
        died = JailedProgramDied(f"{name} was ended by a signal ({signal.strsignal(number) or number}).")
        died.by_signal = True
        raise died
    complaint = result.said.decode(errors="replace")
    if result.status == entry.FAILED and complaint.startswith(entry.COMPLAINT):
        why = printable(complaint.removeprefix(entry.COMPLAINT).strip())
        raise JailedProgramDied(
            f"{name} could not be started in its jail ({why}).", remedy="Look at this machine's installation."
        )
    return result


async def _all_of(
    stream: asyncio.StreamReader | None, name: str, most: int, heard: Callable[[bytes], None] | None
) -> bytes:
    assert stream is not None
    kept = bytearray()
    while chunk := await stream.read(_CHUNK):
        kept += chunk
        if len(kept) > most:
            raise JailedProgramDied(f"{name} said more than {most} bytes.")
        if heard is not None:
            heard(chunk)
    return bytes(kept)


async def _end_group(process: Process) -> None:
    """The whole group, also after its leader's end: what that started must not outlive it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # asyncio calls a process ended when its pipes are, and they are when they are read to their end.
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            await process.communicate()
