import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_library.domain.errors import InvalidRequest, StoreNotWritable
from image_library.node.adapters.vm_folders import VmFolderTree


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[VmFolderTree]:
    tree = VmFolderTree.open(tmp_path / "vms")
    yield tree
    tree.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_folder_is_its_owners_alone(folders: VmFolderTree, tmp_path: Path) -> None:
    await folders.make("vm-1")
    assert mode(tmp_path / "vms") == mode(tmp_path / "vms/vm-1") == 0o700
    assert await folders.listed() == ("vm-1",)


async def test_making_it_again_clears_a_dead_attempt_away(folders: VmFolderTree, tmp_path: Path) -> None:
    await folders.make("vm-1")
    left = tmp_path / "vms/vm-1/disk.qcow2"
    left.write_bytes(b"half")
    await folders.make("vm-1")
    assert not left.exists()


async def test_removing_takes_nothing_but_the_folder(folders: VmFolderTree, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_bytes(b"mine")
    await folders.make("vm-1")
    made = tmp_path / "vms/vm-1"
    (made / "link").symlink_to(victim)
    (made / "sub").mkdir()
    await folders.make("vm-2")
    await folders.remove("vm-1")
    assert (victim / "file").read_bytes() == b"mine"
    assert await folders.listed() == ("vm-2",)


async def test_a_link_in_a_folders_place_is_removed_and_not_followed(
    folders: VmFolderTree, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_bytes(b"mine")
    (tmp_path / "vms/vm-1").symlink_to(victim)
    assert await folders.listed() == ()
    await folders.remove("vm-1")
    assert not (tmp_path / "vms/vm-1").is_symlink()
    assert (victim / "file").read_bytes() == b"mine"


async def test_removing_what_is_not_there_is_fine(folders: VmFolderTree) -> None:
    await folders.remove("vm-1")


async def test_what_is_no_vms_folder_is_not_listed(folders: VmFolderTree, tmp_path: Path) -> None:
    (tmp_path / "vms/Notes").mkdir()
    (tmp_path / "vms/readme").write_text("an operator's")
    assert await folders.listed() == ()


@pytest.mark.parametrize("vm_id", ["..", "../x", "", "a/b"])
async def test_refuses_names_that_lead_elsewhere(folders: VmFolderTree, vm_id: str) -> None:
    with pytest.raises(InvalidRequest):
        await folders.remove(vm_id)


def test_a_root_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreNotWritable):
        VmFolderTree.open(tmp_path / "file/vms")
