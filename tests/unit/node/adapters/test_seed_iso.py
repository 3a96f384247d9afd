import io
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pycdlib.pycdlib import PyCdlib

from image_library.domain.errors import StorageIo
from image_library.domain.vm import Datasource, SeedDocuments
from image_library.node.adapters.seed_iso import SeedIso

DOCUMENTS = SeedDocuments(
    user_data="#cloud-config\nhostname: wéb\n",
    meta_data="instance-id: i-1\n",
    network_config="version: 2\n",
    vendor_data="#cloud-config\n{}\n",
)


def read_back(path: Path) -> dict[str, str]:
    iso = PyCdlib()
    iso.open(str(path))
    try:
        assert iso.pvd.volume_identifier.decode().strip() == "cidata"
        # pycdlib tells no types here.
        children: list[Any] = list(cast("Any", iso).list_children(iso_path="/"))
        names = [child.rock_ridge.name().decode() for child in children if child.is_file()]
        return {name: content(iso, f"/{name}") for name in names}
    finally:
        iso.close()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def content(iso: PyCdlib, path: str) -> str:
    by_rock_ridge, by_joliet = io.BytesIO(), io.BytesIO()
    iso.get_file_from_iso_fp(by_rock_ridge, rr_path=path)
    iso.get_file_from_iso_fp(by_joliet, joliet_path=path)
    assert by_rock_ridge.getvalue() == by_joliet.getvalue()
    return by_joliet.getvalue().decode()


async def test_holds_the_documents_as_they_were_given(tmp_path: Path) -> None:
    await SeedIso().write(str(tmp_path), DOCUMENTS)
    assert read_back(tmp_path / "seed.iso") == {
        "user-data": DOCUMENTS.user_data,
        "meta-data": DOCUMENTS.meta_data,
        "network-config": DOCUMENTS.network_config,
        "vendor-data": DOCUMENTS.vendor_data,
    }


async def test_leaves_out_what_is_empty_but_not_what_must_be_there(tmp_path: Path) -> None:
    await SeedIso().write(str(tmp_path), SeedDocuments(user_data="", meta_data=""))
    assert read_back(tmp_path / "seed.iso") == {"user-data": "", "meta-data": ""}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
async def test_only_its_owner_may_read_it_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        await SeedIso().write(str(tmp_path), DOCUMENTS)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "seed.iso").stat().st_mode) == 0o600


async def test_leaves_nothing_but_the_seed(tmp_path: Path) -> None:
    (tmp_path / ".seed.iso.part").write_bytes(b"left by a dead attempt")
    await SeedIso().write(str(tmp_path), DOCUMENTS)
    assert names_in(tmp_path) == ["seed.iso"]


async def test_does_not_write_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder = tmp_path / "vm"
    folder.mkdir()
    (folder / ".seed.iso.part").symlink_to(victim)
    (folder / "seed.iso").symlink_to(victim)
    await SeedIso().write(str(folder), DOCUMENTS)
    assert victim.read_bytes() == b"mine"
    assert not (folder / "seed.iso").is_symlink()


async def test_a_folder_that_is_gone_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StorageIo):
        await SeedIso().write(str(tmp_path / "gone"), DOCUMENTS)


def test_documents_do_not_print() -> None:
    assert "wéb" not in repr(DOCUMENTS)


async def test_a_config_drive_has_its_label_and_its_folders(tmp_path: Path) -> None:
    documents = replace(DOCUMENTS, datasource=Datasource.CONFIG_DRIVE, vendor_data="")
    await SeedIso().write(str(tmp_path), documents)
    iso = PyCdlib()
    iso.open(str(tmp_path / "seed.iso"))
    assert iso.pvd.volume_identifier.decode().strip() == "config-2"
    assert content(iso, "/openstack/latest/user_data") == DOCUMENTS.user_data
    assert content(iso, "/openstack/latest/meta_data.json") == DOCUMENTS.meta_data
    assert content(iso, "/openstack/latest/network_data.json") == DOCUMENTS.network_config
    iso.close()
