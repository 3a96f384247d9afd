from pathlib import Path

import pytest

from image_library.node.adapters.hypervisors.qemu.window import MAX_CONSOLE_BYTES, QemuWindow
from tests.fakes.hypervisor import MemoryFolders


class Folders(MemoryFolders):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def path(self, vm_id: str) -> str:
        return str(self._root)


@pytest.fixture
def window(tmp_path: Path) -> QemuWindow:
    return QemuWindow(Folders(tmp_path))


def write_console(folder: Path, size: int) -> None:
    with (folder / "serial.log").open("wb") as console:
        console.truncate(size)


@pytest.mark.parametrize(
    ("size", "left"), [(MAX_CONSOLE_BYTES, MAX_CONSOLE_BYTES), (MAX_CONSOLE_BYTES + 1, 0)]
)
async def test_a_console_never_fills_the_disk(
    window: QemuWindow, tmp_path: Path, size: int, left: int
) -> None:
    write_console(tmp_path, size)
    await window.trim_console("vm-1")
    assert await window.console_size("vm-1") == left


async def test_reads_from_an_offset_and_nothing_where_there_is_none(
    window: QemuWindow, tmp_path: Path
) -> None:
    assert await window.console("vm-1", 0) == b""
    assert await window.console_size("vm-1") == 0
    await window.trim_console("vm-1")
    (tmp_path / "serial.log").write_bytes(b"0123456789")
    assert await window.console("vm-1", 7) == b"789"
    assert await window.console("vm-1", 99) == b""


async def test_does_not_read_through_a_link(window: QemuWindow, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "serial.log").symlink_to(tmp_path / "secret")
    assert await window.console("vm-1", 0) == b""
