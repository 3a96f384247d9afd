import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import HypervisorFailed, HypervisorMissing
from image_library.domain.image import ImageFormat
from image_library.node.adapters.jail import Jail, Wall, best_wall
from image_library.node.adapters.qemu_img import QemuImg
from tests.integration.node.vms.guests import DISK_BYTES, idle_guest

JAIL = Jail(best_wall())


def information(path: Path) -> dict[str, Any]:
    command = ["qemu-img", "info", "--output=json", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.parametrize("name", ["plain", "a,b=c", "foo:bar", "-dash", "sp ace", "json:{}"])
async def test_makes_an_overlay_whatever_the_paths_are(tmp_path: Path, name: str) -> None:
    backing = idle_guest(tmp_path / f"{name}.raw")
    target = tmp_path / name
    await QemuImg(JAIL).create_overlay(
        str(target), backing=str(backing), backing_format=ImageFormat.RAW, size_bytes=5 << 30
    )
    facts = information(target)
    assert facts["format"] == "qcow2"
    assert facts["virtual-size"] == 5 << 30
    assert facts["backing-filename"] == str(backing)
    assert facts["backing-filename-format"] == "raw"


async def test_only_its_owner_may_read_the_disk(tmp_path: Path) -> None:
    backing = idle_guest(tmp_path / "base.raw")
    before = os.umask(0)
    try:
        await QemuImg(JAIL).create_overlay(
            str(tmp_path / "disk"),
            backing=str(backing),
            backing_format=ImageFormat.RAW,
            size_bytes=DISK_BYTES,
        )
    finally:
        os.umask(before)
    assert mode(tmp_path / "disk") == 0o600


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_refusal_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(HypervisorFailed, match="No such file"):
        await QemuImg(JAIL).create_overlay(
            str(tmp_path / "disk"),
            backing=str(tmp_path / "gone"),
            backing_format=ImageFormat.RAW,
            size_bytes=DISK_BYTES,
        )
    with pytest.raises(HypervisorFailed, match=r"Could not create .*No such file"):
        await QemuImg(JAIL).create_overlay(
            str(tmp_path / "no folder/disk"),
            backing=str(idle_guest(tmp_path / "base.raw")),
            backing_format=ImageFormat.RAW,
            size_bytes=DISK_BYTES,
        )


async def test_the_image_is_not_opened_to_make_a_disk_on_it(tmp_path: Path) -> None:
    """A qcow2 that no qemu-img would open."""
    backing = tmp_path / "base.qcow2"
    backing.write_bytes(b"QFI\xfb" + b"\xff" * 100)
    target = tmp_path / "disk"
    await QemuImg(JAIL).create_overlay(
        str(target), backing=str(backing), backing_format=ImageFormat.QCOW2, size_bytes=DISK_BYTES
    )
    assert information(target)["backing-filename"] == str(backing)


@pytest.mark.parametrize("path", ["nbd:localhost:1", 'json:{"driver":"raw"}', "relative"])
async def test_never_takes_a_name_for_anything_but_a_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(HypervisorFailed, match="absolute"):
        await QemuImg(JAIL).create_overlay(
            str(tmp_path / "disk"), backing=path, backing_format=ImageFormat.RAW, size_bytes=DISK_BYTES
        )


async def test_a_missing_program_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(HypervisorMissing) as error:
        await QemuImg(Jail(Wall.NONE), search_path=str(tmp_path)).create_overlay(
            "/x", backing="/dev/null", backing_format=ImageFormat.RAW, size_bytes=1
        )
    assert error.value.remedy == "Install it: apt-get install qemu-utils."


async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    hanging = tmp_path / "bin/qemu-img"
    hanging.parent.mkdir()
    hanging.write_text('#!/bin/sh\necho $$ > "$0.pid"\nexec /bin/sleep 600\n')
    hanging.chmod(0o755)
    with pytest.raises(HypervisorFailed, match="did not finish"):
        await QemuImg(Jail(Wall.NONE), search_path=str(hanging.parent), create_seconds=0.5).create_overlay(
            "/x", backing="/dev/null", backing_format=ImageFormat.RAW, size_bytes=1
        )
    pid = int(read(tmp_path / "bin/qemu-img.pid"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def read(path: Path) -> str:
    return path.read_text()
