"""The commands about VMs' disks and snapshots."""

from __future__ import annotations

from typing import Any

import pytest

from limiquantix.compute.v1 import vm_pb as pb
from tests.fakes.server import FakeLibrary
from tests.integration.cli.conftest import Cli


@pytest.fixture(autouse=True)
def web(library: FakeLibrary) -> None:
    status = pb.VmStatus(state=pb.VmStatus.PowerState.STOPPED, image_name="debian-12")
    library.vms.append(pb.VirtualMachine(id="vm-1", name="web", status=status))


def went(library: FakeLibrary, kind: str, *, state: str = "done", **how: Any) -> None:
    going = [pb.DiskTask(kind=kind, state="running", percent=percent) for percent in (0, 40, 41, 90)]
    library.disk_tasks = (*going, pb.DiskTask(kind=kind, state=state, **how))


def test_a_disk_is_grown_to_whole_gibibytes(cli: Cli, library: FakeLibrary) -> None:
    assert cli("vms", "grow", "web", "20480M").out == "web: the disk has 20.0 GiB.\n"
    [asked] = library.asked(pb.GrowDiskRequest)
    assert (asked.id, asked.size_gib) == ("vm-1", 20)
    assert cli("vms", "grow", "web", "much").code == 2


def test_long_work_is_followed_to_its_end(cli: Cli, library: FakeLibrary) -> None:
    went(library, "flatten")
    said = cli("vms", "flatten", "web").out.splitlines()
    assert said == [
        "web: flatten 0 %",
        "web: flatten 40 %",
        "web: flatten 90 %",
        "web: its disk needs no image.",
    ]
    document = cli("vms", "flatten", "web", "--json").document
    assert document["status"]["diskTask"]["state"] == "done"
    assert cli("vms", "flatten", "web", "--no-wait").out == "web: begun.\n"


def test_what_went_wrong_is_told(cli: Cli, library: FakeLibrary) -> None:
    why = {"error_code": "storage.full", "error_message": "No space.", "error_remedy": "Make some."}
    went(library, "snapshot", state="failed", **why)
    ended = cli("vms", "snapshots", "create", "web", "monday")
    assert ended.code != 0
    assert "No space." in ended.err
    assert "Make some." in ended.err
    went(library, "snapshot", state="cancelled")
    ended = cli("vms", "snapshots", "create", "web", "monday")
    assert ended.code != 0
    assert "was cancelled" in ended.err


def test_a_rebase_names_the_version_and_can_be_looked_at_first(cli: Cli, library: FakeLibrary) -> None:
    went(library, "rebase")
    looked = cli("vms", "rebase", "web", "--to", "2", "--dry-run")
    assert looked.out == "web: would go from debian-12@1 to debian-12@2.\n"
    assert cli("vms", "rebase", "web", "--to", "img-7").out.endswith("web: its disk is on debian-12@2.\n")
    cli("vms", "rebase", "web", "--no-wait")
    asked = [(one.image, one.dry_run) for one in library.asked(pb.RebaseVMRequest)]
    assert asked == [("debian-12@2", True), ("img-7", False), ("", False)]


def test_snapshots_are_listed_reverted_to_and_deleted(cli: Cli, library: FakeLibrary) -> None:
    library.snapshots = (pb.Snapshot(name="monday", size_bytes=3 << 30, image_name="debian-12"),)
    out = cli("vms", "snapshots", "list", "web").out
    assert [word in out for word in ("monday", "3.0 GiB", "debian-12")] == [True] * 3
    assert cli("vms", "snapshots", "list", "web", "--json").document["snapshots"][0]["name"] == "monday"
    went(library, "revert")
    assert "its disk is that of 'monday'" in cli("vms", "snapshots", "revert", "web", "monday", "--yes").out
    assert cli("vms", "snapshots", "delete", "web", "monday", "--json").document == {
        "deleted": {"vm": "vm-1", "snapshot": "monday"}
    }
    assert library.asked(pb.RevertToSnapshotRequest)[0].name == "monday"
    assert library.asked(pb.DeleteSnapshotRequest)[0].name == "monday"


def test_work_is_cancelled_and_vms_are_restarted(cli: Cli, library: FakeLibrary) -> None:
    assert cli("vms", "cancel", "web").out == "web: nothing is being done with its disk.\n"
    assert cli("vms", "restart", "web", "--force").out == "web: stopped\n"
    assert [one.force for one in library.asked(pb.RebootVMRequest)] == [True]
