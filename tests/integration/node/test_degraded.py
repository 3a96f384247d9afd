"""A store that cannot be relied on: what is begun there, what waits, what says so, and what ends it."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from image_library.domain.errors import StorageIo, StoreDegraded, StoreNotWritable
from image_library.domain.job import JobState
from image_library.domain.store import Download
from image_library.domain.store_health import Degradation, Trouble
from image_library.node.adapters.store.disk import Disk
from image_library.node.services.receive_upload import Uploads
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import Workbench, content, order, publish, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
OTHER = Qcow2(virtual_size=2 << 30).file(3 * MIB)
FAILS, STATED = "disk.qcow2", "other.qcow2"


class OnceFailing(Disk):
    """Its operations fail with the error that is set; a failed sync only the once, as Linux reports it."""

    def __init__(self) -> None:
        self.sync_fails = False
        self.error = 0

    def sync(self, fd: int) -> None:
        if self.sync_fails:
            self.sync_fails = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)

    def create(self, path: Path, *, fresh: bool = False) -> int:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().create(path, fresh=fresh)


@pytest.fixture
def mirror(tmp_path: Path) -> Generator[Mirror]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as served:
        publish(served, IMAGE, filename=FAILS)
        publish(served, OTHER, filename=STATED)
        yield served
