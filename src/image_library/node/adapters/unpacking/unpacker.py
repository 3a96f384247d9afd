"""Starts the unpacking program in the jail, and tells what became of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

from image_library.domain.conversion import Packing
from image_library.domain.errors import (
    ConvertKilled,
    DecompressLimit,
    ImageTruncated,
    Internal,
    JailedProgramDied,
    LibraryError,
    StorageFull,
    StorageIo,
    UnsupportedArchive,
    printable,
)
from image_library.node.adapters.guest_inspector import CODE, PLACES
from image_library.node.adapters.jail import Jail, JailLimits
from image_library.node.adapters.unpacking import program

# "-I" hides the folder of our own code, which therefore comes along.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from image_library.node.adapters.unpacking.program import main; main()"
)
# For nothing; more for every byte.
LIMITS = JailLimits(wall_seconds=120.0, cpu_seconds=60, memory=512 << 20, descriptors=32, processes=0)


class JailedUnpacker:
    def __init__(self, jail: Jail, *, limits: JailLimits = LIMITS) -> None:
        self._jail = jail
        self._limits = limits

    async def unpack(
        self,
        source: int,
        packing: Packing,
        target: int,
        *,
        name: str,
        most: int,
        room: int,
        told: Callable[[float], None],
    ) -> None:
        """Writes what is inside the open file ``source`` to ``target``, at most ``most`` bytes.

        Of these at most ``room`` may be other than zeros, which become holes. ``told`` hears how far it is,
        from 0 to 1.

        Raises:
            DecompressLimit, ImageTruncated, UnsupportedArchive: what is wrong with it.
            StorageFull, StorageIo, ConvertKilled, JailedProgramDied, JailMissing
        """
        size = os.fstat(source).st_size
        words = (str(source), str(target), packing.value, str(most), str(room))
        argv = (sys.executable, "-I", "-c", _START, CODE, *words)
        try:
            ended = await self._jail.run(
                argv,
                limits=self._within(size, most),
                readable=(source,),
                writable=(target,),
                places=PLACES,
                heard=lambda chunk: _tell(chunk, size, told),
            )
        except JailedProgramDied as error:
            raise ConvertKilled(error.message) if error.by_signal else error from error
        if ended.status != program.OK:
            raise _error(ended.status, ended.said.decode(errors="replace"), name)

    def _within(self, size: int, most: int) -> JailLimits:
        """Time for all that it may read and write, at the slowest packer's pace."""
        work = size // (1 << 20) + min(most, 1 << 40) // (8 << 20)
        return replace(
            self._limits,
            file_size=most,
            wall_seconds=self._limits.wall_seconds + 2 * work,
            cpu_seconds=self._limits.cpu_seconds + work,
        )


def _tell(chunk: bytes, size: int, told: Callable[[float], None]) -> None:
    numbers = chunk.split()
    if size and numbers and numbers[-1].isdigit():
        told(min(1.0, int(numbers[-1]) / size))


def _error(status: int, said: str, name: str) -> LibraryError:
    why = printable(said.strip().rpartition("\n")[2], 200).rstrip(".")
    match status:
        case program.TOO_MUCH:
            return DecompressLimit(f"{name} is not unpacked: {why}.")
        case program.TRUNCATED:
            return ImageTruncated(f"{name} ends in the middle of its compressed data.")
        case program.DAMAGED:
            return UnsupportedArchive(f"{name} cannot be unpacked: {why}.")
        case program.NO_ROOM:
            return StorageFull(f"There is no space left for what is inside {name}.")
        case program.DISK:
            return StorageIo(f"The disk failed while {name} was unpacked ({why}).")
        case _:
            return Internal(f"The unpacking of {name} broke: {why}.")
