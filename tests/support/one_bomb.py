"""Lets one bomb go off, alone in a process, so that the kernel's account of its children is the bomb's.

Arguments: how it is packed (or "qcow2"), the file, the output, and how long that may be. Says, as JSON, how
it was refused, the processor's time in seconds, and the most memory in bytes that a child of it had.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys

from image_library.domain.conversion import DiskInside, Packing, Shape
from image_library.domain.errors import LibraryError
from image_library.domain.image import ImageFormat
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.adapters.unpacking import JailedUnpacker

SIZE = 10 << 30


async def go_off(kind: str, source: int, target: int, most: int) -> None:
    jail = Jail(best_wall())
    if kind != "qcow2":
        packing = Packing(kind)
        unpacker = JailedUnpacker(jail)
        await unpacker.unpack(source, packing, target, name="it", most=most, room=most, told=lambda _: None)
        return
    disk, shape = DiskInside(format=ImageFormat.QCOW2), Shape(format=ImageFormat.QCOW2)
    await QemuImgImages(jail).convert(
        source, disk, target, shape, virtual_size=SIZE, most=most, told=lambda _: None
    )


def main() -> None:
    kind, path, out, most = sys.argv[1:]
    source, target = os.open(path, os.O_RDONLY), os.open(out, os.O_RDWR | os.O_CREAT)
    code = ""
    try:
        asyncio.run(go_off(kind, source, target, int(most)))
    except LibraryError as error:
        code = error.code
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    print(json.dumps({"code": code, "seconds": seconds, "memory": used.ru_maxrss << 10}))


if __name__ == "__main__":
    main()
