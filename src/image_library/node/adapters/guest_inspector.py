"""Facts from inside images: a reader of ours in the jail, which is handed nothing but the open image."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, cast

import image_library
from image_library.domain.errors import LibraryError
from image_library.domain.guest_facts import GuestFacts, tidy
from image_library.domain.image import ImageFormat
from image_library.node.adapters.jail import Jail, JailLimits

CODE = str(Path(image_library.__file__).resolve().parents[1])
# "-I" hides the folder of our own code, which therefore comes along.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from image_library.node.adapters.guest_disk.program import main; main()"
)
# What a program of ours needs in the jail.
PLACES = tuple(dict.fromkeys((CODE, sys.prefix, sys.base_prefix)))
_READ = frozenset({ImageFormat.QCOW2, ImageFormat.RAW})
# A genuine image takes a hundredth of these.
LIMITS = JailLimits(wall_seconds=20.0, cpu_seconds=10, memory=512 << 20, descriptors=32, processes=0)


class JailedGuestInspector:
    def __init__(self, jail: Jail, *, limits: JailLimits = LIMITS) -> None:
        self._jail = jail
        self._limits = limits

    async def read(self, path: str, image_format: ImageFormat) -> GuestFacts:
        if image_format not in _READ:
            return GuestFacts(reason=f"Images in the format {image_format.value} are not read.")
        try:
            descriptor = await asyncio.to_thread(_open, path)
            try:
                return await self._read(descriptor, image_format)
            finally:
                os.close(descriptor)
        except OSError as error:
            return GuestFacts(reason=f"It could not be opened ({(error.strerror or '').lower()}).")
        except LibraryError as error:
            return GuestFacts(reason=error.message)

    async def _read(self, descriptor: int, image_format: ImageFormat) -> GuestFacts:
        argv = (sys.executable, "-I", "-c", _START, CODE, str(descriptor), image_format.value)
        ended = await self._jail.run(argv, limits=self._limits, readable=(descriptor,), places=PLACES)
        if ended.status != 0:
            said = ended.said.decode(errors="replace").strip().rpartition("\n")[2]
            return GuestFacts(reason=tidy(f"Its reader failed: {said or 'it gave no reason'}."))
        return _facts(ended.output)


def _open(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(None, "It is no regular file")


def _facts(output: bytes) -> GuestFacts:
    """Whoever broke the reader may have written these bytes: nothing but plain facts comes out of them."""
    try:
        said: object = json.loads(output)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return GuestFacts(reason="Its reader gave no facts.")
    given = cast("dict[str, object]", said)
    plain = {name: _like(default, given.get(name)) for name, default in vars(GuestFacts()).items()}
    return GuestFacts(**plain)


def _like(default: object, value: object) -> Any:
    """``value`` where it is of the kind of ``default``, and ``default`` where not."""
    if isinstance(default, bool):
        return value is True
    if isinstance(default, str):
        return tidy(value) if isinstance(value, str) else default
    words = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(tidy(word) for word in words[:32] if isinstance(word, str))
