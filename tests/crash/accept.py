"""Takes bytes into a part for ever and tells after each block how many it took: until it is killed.

python -m tests.crash.accept FOLDER SECONDS-A-WRITE
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import structlog

from image_library.node.ports.storage import PartKey
from tests.crash.bench import open_bench
from tests.crash.seams import Hook, HookedDisk

KEY = PartKey(key="ab", expected="sha256:" + "0" * 64)
_BLOCK = 64 << 10


class SlowDisk(HookedDisk):
    def __init__(self, seconds: float) -> None:
        super().__init__(Hook())
        self._seconds = seconds

    def write_some(self, fd: int, data: memoryview, offset: int) -> int:
        time.sleep(self._seconds)
        return super().write_some(fd, data, offset)


async def accept(folder: str, seconds: str) -> None:
    async with open_bench(Path(folder), disk=SlowDisk(float(seconds))) as bench:
        part = await bench.store.open_part(KEY)
        while True:
            await part.write(os.urandom(_BLOCK))
            os.write(1, b"%d\n" % part.offset)
            await asyncio.sleep(0)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(accept(*sys.argv[1:]))
