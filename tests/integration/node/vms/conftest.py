from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from image_library.domain.image import ImageFormat
from image_library.domain.store import PublishedImage
from image_library.node.ports.vms import DiskChanger
from tests.integration.node.vms.daemon import TCG, Daemon, Driven, image_at
from tests.integration.node.vms.guests import DISK_BYTES, idle_guest

StartDaemon = Callable[..., Awaitable[Daemon]]


@pytest.fixture
def idle_image(tmp_path: Path) -> PublishedImage:
    return image_at(idle_guest(tmp_path / "idle.raw", "hello\r\n"), ImageFormat.RAW, DISK_BYTES)


@pytest.fixture
async def start_daemon(tmp_path: Path, idle_image: PublishedImage) -> AsyncIterator[StartDaemon]:
    """Starts a daemon over the test's data directory; the one before it is stopped first."""
    running: list[Daemon] = []
    data = tmp_path / "data"
    data.mkdir()

    async def start(
        *, image: PublishedImage = idle_image, settings: Driven = TCG, changer: DiskChanger | None = None
    ) -> Daemon:
        while running:
            await running.pop().stop()
        running.append(await Daemon.started(data, image, settings, changer))
        return running[-1]

    yield start
    if not running:
        await start()
    for report in running[0].vms.reports():
        with suppress(Exception):
            await running[0].vms.delete(report.vm_id)
    await running[0].stop()


@pytest.fixture
async def daemon(start_daemon: StartDaemon) -> Daemon:
    return await start_daemon()
