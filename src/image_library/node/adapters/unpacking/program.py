"""The program that runs in the jail: a packed open file in, its content out; what happened as one word.

Arguments: the packed file, the output (both descriptors), the packing, and how long the output may be and
how much of it may be other than zeros. It says how far it is on standard output, one number a line.
"""

from __future__ import annotations

import errno
import os
import sys

from image_library.domain.conversion import Packing
from image_library.node.adapters.unpacking.members import unpacked
from image_library.node.adapters.unpacking.source import Damaged, Source, TooMuch, Truncated

# What it ends with; 1 is Python's own.
OK, TOO_MUCH, TRUNCATED, DAMAGED, NO_ROOM, DISK = 0, 11, 12, 13, 14, 15
_TELL_EVERY = 16 << 20
# Zeros in pieces of this size become holes.
_HOLE = 64 << 10
_ZEROS = bytes(_HOLE)


class Output:
    def __init__(self, fd: int, *, most: int, room: int) -> None:
        self._fd = fd
        self._most = most
        self._room = room
        self._at = 0

    def add(self, piece: bytes) -> None:
        if self._at + len(piece) > self._most:
            raise TooMuch(f"it unfolds to more than {self._most} bytes")
        begin = 0
        while begin < len(piece):
            # Holes begin and end at multiples of their size, whatever pieces come.
            part = piece[begin : begin + _HOLE - self._at % _HOLE]
            if part != _ZEROS[: len(part)]:
                self._room -= len(part)
                if self._room < 0:
                    raise OSError(errno.ENOSPC, "there is no room for more")
                self._write(memoryview(part))
            self._at += len(part)
            begin += len(part)

    def _write(self, part: memoryview) -> None:
        done = 0
        while done < len(part):
            done += os.pwrite(self._fd, part[done:], self._at + done)

    def end(self) -> None:
        os.ftruncate(self._fd, self._at)


class _Teller:
    def __init__(self) -> None:
        self._next = 0

    def __call__(self, read: int) -> None:
        if read >= self._next:
            self._next = read + _TELL_EVERY
            os.write(1, b"%d\n" % read)


def unpack(source: Source, packing: Packing, output: Output) -> None:
    for piece in unpacked(source, packing):
        output.add(piece)
    output.end()


def main() -> None:
    source, target, packing, most, room = sys.argv[1:6]
    output = Output(int(target), most=int(most), room=int(room))
    status, said = OK, ""
    try:
        unpack(Source(int(source), told=_Teller()), Packing(packing), output)
    except TooMuch as error:
        status, said = TOO_MUCH, str(error)
    except Truncated:
        status = TRUNCATED
    except Damaged as error:
        status, said = DAMAGED, str(error)
    except OSError as error:
        # What bz2 and lzma call damage, they raise as an error without a number.
        if error.errno is None:
            status, said = DAMAGED, str(error)
        else:
            status = NO_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else DISK
            said = os.strerror(error.errno)
    os.write(2, said.encode())
    os._exit(status)
