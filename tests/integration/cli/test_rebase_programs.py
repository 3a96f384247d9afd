"""A VM is put on the next version of its image, with the real programs and the real qemu-img."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.test_refresh_programs import IMAGES, VMS, Installation, Publisher
from tests.integration.cli.test_refresh_programs import data_dir as data_dir
from tests.integration.cli.test_refresh_programs import here as here
from tests.support.mirror import Mirror
from tests.support.processes import run_cli
from tests.support.rpc import Json, RpcError, rpc_stream

VM = "web"


class Builds(Publisher):
    """Builds that have bytes of their own where their guests have written, and where nobody has."""

    def build(self, number: int) -> Path:
        made = self.folder / f"{number}.qcow2"
        if not made.exists():
            super().build(number)
            written(made, f"write -P {number} 0 1M", f"write -P {number} {4 + number}M 1M")
        return made


@pytest.fixture
def publisher(mirror: Mirror, tmp_path: Path) -> Publisher:
    folder = tmp_path / "builds"
    folder.mkdir()
    builds = Builds(mirror, folder)
    builds.publish(1)
    return builds


def written(disk: Path, *commands: str) -> None:
    words = [word for command in commands for word in ("-c", command)]
    subprocess.run(["qemu-io", "-f", "qcow2", *words, str(disk)], check=True, capture_output=True)


def qemu_img(*words: str | Path) -> str:
    done = subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True, text=True)
    return done.stdout


class Machine:
    """A stopped VM of version 1, on whose disk its guest has written."""

    def __init__(self, here: Installation, data_dir: Path, tmp_path: Path) -> None:
        self._here = here
        wish = {"name": VM, "spec": {"disks": [{"image": "debian-12"}]}}
        self.id = here.call(f"{VMS}/CreateVM", wish)["id"]
        self.folder = data_dir / "vms" / self.id
        self._first(lambda vm: vm["status"]["state"] == "STOPPED")
        written(self.folder / "disk.qcow2", "write -P 0x77 512k 1M", "write -z 0 64k")
        self.before = tmp_path / "before.raw"
        qemu_img("convert", "-O", "raw", self.folder / "disk.qcow2", self.before)

    def _first(self, wanted: Callable[[Json], bool]) -> Json:
        watched = rpc_stream(
            self._here.program.url, f"{VMS}/WatchVM", {"vmId": VM}, token=self._here.program.token
        )
        return next(vm for vm in watched if wanted(vm))

    def ended(self) -> Json:
        """The work on its disk, once it has."""
        states = ("done", "failed", "cancelled")
        vm = self._first(lambda vm: vm["status"].get("diskTask", {}).get("state") in states)
        return vm["status"]["diskTask"]

    def command(self, *words: str, code: int = 0) -> Any:
        done = run_cli(["--json", "vms", *words], self._here.env, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def reads_as_before(self, disk: str) -> None:
        qemu_img("compare", "-f", "raw", "-F", "qcow2", self.before, self.folder / disk)
        qemu_img("check", "-q", "-f", "qcow2", self.folder / disk)

    def base(self, disk: str) -> str:
        return json.loads(qemu_img("info", "--output=json", self.folder / disk))["backing-filename"]

    def usage(self, image: str) -> Json:
        [user] = self._here.call(f"{IMAGES}/GetImageUsage", {"image": image}).get("vms", [{}])
        return user


def blob_of(data_dir: Path, image: Json) -> Path:
    digest = image["status"]["digest"].removeprefix("sha256:")
    return data_dir / "blobs" / "sha256" / digest[:2] / digest


def test_a_vm_goes_to_the_next_version_and_reads_as_before(
    here: Installation, publisher: Publisher, data_dir: Path, tmp_path: Path
) -> None:
    vm = Machine(here, data_dir, tmp_path)
    old = here.image("debian-12")
    publisher.publish(2)
    here.refresh()
    new = here.image("debian-12")
    assert (old["version"], new["version"]) == (1, 2)
    assert (vm.usage("debian-12@1")["byDisk"], vm.usage("debian-12@2")) == (True, {})

    looked = here.call(f"{VMS}/RebaseVM", {"id": VM, "dryRun": True})
    assert vm.usage("debian-12@2") == {}, looked
    here.call(f"{VMS}/RebaseVM", {"id": VM})
    assert vm.ended()["state"] == "done"
    vm.reads_as_before("disk-1.qcow2")
    assert vm.base("disk-1.qcow2") == str(blob_of(data_dir, new))
    assert here.call(f"{VMS}/GetVM", {"id": VM})["status"]["imageDigest"] == new["status"]["digest"]

    # What it had is kept, and keeps the old version.
    [kept] = here.call(f"{VMS}/ListSnapshots", {"id": VM})["snapshots"]
    assert kept["name"].startswith("before-rebase-")
    assert (kept["imageId"], "expiresAt" in kept) == (old["id"], True)
    vm.reads_as_before("disk.qcow2")
    assert vm.usage("debian-12@2")["byDisk"] is True
    old_use = vm.usage("debian-12@1")
    assert (old_use.get("byDisk", False), old_use["snapshots"]) == (False, [kept["name"]])
    assert here.run("delete", "debian-12@1", "--yes", code=5)["error"]["code"] == "image.in_use"
    vm.command("snapshots", "delete", VM, kept["name"], "--yes")
    assert vm.usage("debian-12@1") == {}
    here.run("delete", "debian-12@1", "--yes")
    assert not blob_of(data_dir, old).exists()
    vm.reads_as_before("disk-1.qcow2")
    assert {path.name for path in vm.folder.glob("*.qcow2*")} == {"disk-1.qcow2"}


def test_what_is_no_whole_version_of_its_image_is_refused_and_nothing_is_bound_to_it(
    here: Installation, publisher: Publisher, data_dir: Path, tmp_path: Path
) -> None:
    vm = Machine(here, data_dir, tmp_path)
    here.run("upload", str(publisher.build(3)), "--name", "other")
    other = vm.command("rebase", VM, "--to", here.image("other")["id"], code=5)
    assert other["error"]["code"] == "vm.rebase_refused"
    publisher.publish(2)
    here.refresh()
    new = here.image("debian-12")
    # Bytes that are not those that were verified: another file has the blob's name.
    blob = blob_of(data_dir, new)
    whole = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(whole[:-512] + b"x" * 512)
    with pytest.raises(RpcError) as refused:
        here.call(f"{VMS}/RebaseVM", {"id": VM})
    assert "was changed" in refused.value.message
    assert vm.usage("debian-12@1")["byDisk"] is True
    assert vm.usage("debian-12@2") == {}
    assert {path.name for path in vm.folder.glob("*.qcow2*")} == {"disk.qcow2"}
    vm.reads_as_before("disk.qcow2")
