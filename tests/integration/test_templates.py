"""A control plane and a node, both real: a VM's disk becomes a template, and VMs are made of that."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.conversion import Shape
from image_library.domain.image import ImageFormat
from image_library.domain.store import DownloadOrder
from image_library.domain.vm_disk import DiskTask, DiskTaskKind
from image_library.node.adapters.hypervisors.qemu.driver import QemuHypervisor, QemuSettings
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.vm_disks import JailedVmDisks
from image_library.node.adapters.vm_folders import VmFolderTree
from image_library.node.adapters.vm_journal import JournaledVms
from image_library.node.ports.capturing import DiskFile
from image_library.wire.node_daemon import order_to_wire
from limiquantix.node.v1 import node_daemon_pb as pb
from tests.fakes.node_process import NodeProcess, node_process
from tests.fakes.node_workbench import order, publish
from tests.integration.test_lifecycle import IMAGES, VMS, Site, site
from tests.rpc.conftest import reason
from tests.support.guest_images import SYSTEM, ext, qcow2, run, tree, xfs
from tests.support.guests_own import GUEST
from tests.support.mirror import Mirror

CAPTURE = f"{IMAGES}/CaptureTemplate"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncGenerator[Site]:
    async with site(tmp_path) as made:
        folder = made.data / "cloud-images"
        folder.mkdir(parents=True)
        root = tree(tmp_path / "root", GUEST)
        image = qcow2(ext(tmp_path / "debian-12.raw", root, mib=24))
        image.rename(folder / "debian-12-genericcloud-amd64.qcow2")
        async with made.node():
            await vm(made, "web", "debian-12-genericcloud-amd64")
            yield made


async def vm(there: Site, name: str, image: str, **more: Any) -> dict[str, Any]:
    """A VM that was made and never started."""
    spec = {"disks": [{"image": image}]} if image else {}
    made = await there.call(f"{VMS}/CreateVM", {"name": name, "spec": spec, **more})
    if made["status"].get("jobId"):
        assert (await there.call.ended(made["status"]["jobId"]))["status"] == "COMPLETED"
    return await there.stopped(name)


async def captured(there: Site, of: str = "web", **more: Any) -> dict[str, Any]:
    job = await there.call(CAPTURE, {"vmId": of, **more})
    ended = await there.call.ended(job["jobId"])
    assert ended["status"] == "COMPLETED", ended
    assert ended["kind"] == "capture"
    return await there.image(ended["imageId"])


async def traces(path: str) -> set[str]:
    disk = (DiskFile(path=path, format=ImageFormat.QCOW2),)
    audit = await JailedVmDisks(Jail(best_wall())).audit(disk)
    assert audit.reason == ""
    return {trace.code for trace in audit.to_clean}


async def test_a_vm_is_audited_cleaned_and_published_with_its_lineage(there: Site) -> None:
    source = await there.image("debian-12-genericcloud-amd64")
    report = await there.call(f"{VMS}/PreflightCapture", {"vmId": "web"})
    assert (report["cleanable"], report["fileSystem"]) == (True, "ext4")
    assert report["findings"][0]["severity"] == "SEVERITY_BLOCKER"
    assert {"machine-id", "ssh-host-keys", "logs"} <= {found["code"] for found in report["findings"]}

    image = await captured(there, description="With nginx.")
    assert (image["name"], image["description"]) == ("web-template", "With nginx.")
    made_of, status = image["status"]["convertedFrom"], image["status"]
    assert made_of["digest"] == source["status"]["digest"]
    assert made_of["captured"]["vmName"] == "web"
    assert made_of["captured"]["cleaned"] is True
    assert set(made_of["captured"]["left"]) == {"cloud-init-seed", "passwords", "storage-names"}
    assert status["trust"] == "TRUST_LEVEL_UNVERIFIED"
    assert status["evidence"]["actual"] == status["digest"].removeprefix("sha256:")
    assert image["spec"]["os"]["defaultUser"] == "debian"
    assert image["spec"]["os"]["distribution"] == "debian"
    assert await traces(status["path"]) == set()
    # The VM keeps what is its own.
    own = there.data / "vms"
    assert not [path for path in own.rglob("*") if path.suffix == ".raw"]
    assert "machine-id" in str(await there.call(f"{VMS}/PreflightCapture", {"vmId": "web"}))


async def test_vms_of_a_template_and_its_next_version(there: Site) -> None:
    first = await captured(there, name="golden")
    made = await vm(there, "one", "", templateId=first["id"])
    assert made["status"]["imageDigest"] == first["status"]["digest"]
    both = {"name": "two", "templateId": first["id"], "spec": {"disks": [{"image": "golden"}]}}
    assert (await there.call.refused(f"{VMS}/CreateVM", both)).code == "invalid_argument"
    # A template of a VM of a template; the name's next version.
    second = await captured(there, "one", name="golden")
    assert second["status"]["convertedFrom"]["digest"] == first["status"]["digest"]
    assert (second["version"], (await there.image("golden"))["id"]) == (2, second["id"])
    listed = await there.call(f"{IMAGES}/ListImages", {"templates": True})
    assert [image["name"] for image in listed["images"]] == ["golden"]
    others = await there.call(f"{IMAGES}/ListImages", {"templates": False})
    assert [image["name"] for image in others["images"]] == ["debian-12-genericcloud-amd64"]
    # An image that is no template keeps its name to itself.
    taken = {"vmId": "one", "name": "debian-12-genericcloud-amd64"}
    assert reason(await there.call.refused(CAPTURE, taken)) == "NAME_TAKEN"


async def test_what_is_its_own_is_handed_on_only_by_force(there: Site) -> None:
    job = await there.call(CAPTURE, {"vmId": "web", "name": "raw", "asItIs": True})
    ended = await there.call.ended(job["jobId"])
    assert (ended["status"], ended["errorCode"]) == ("FAILED", "capture.not_generalised")
    assert "machine id" in ended["errorMessage"]
    image = await captured(there, name="forced", asItIs=True, force=True)
    assert image["status"]["convertedFrom"]["captured"].get("cleaned", False) is False
    assert "ssh-host-keys" in image["status"]["convertedFrom"]["captured"]["left"]
    assert "machine-id" in await traces(image["status"]["path"])


async def test_a_file_system_that_cannot_be_cleaned_is_refused_unless_it_is_clean(
    there: Site, tmp_path: Path
) -> None:
    for name, files in (("debian-12-lived", GUEST), ("debian-12-fresh", SYSTEM)):
        image = qcow2(xfs(tmp_path / f"{name}.raw", tree(tmp_path / name, files)))
        image.rename(there.data / "cloud-images" / f"{name}.qcow2")
        # The node looks through its folder when something changes there.
        await _known(there, name)
        await vm(there, f"vm-{name}", name)
    job = await there.call(CAPTURE, {"vmId": "vm-debian-12-lived"})
    ended = await there.call.ended(job["jobId"])
    assert (ended["status"], ended["errorCode"]) == ("FAILED", "capture.cannot_clean")
    assert "cloud-init clean" in ended["errorRemedy"]
    fresh = await captured(there, "vm-debian-12-fresh")
    assert "left" not in fresh["status"]["convertedFrom"]["captured"]


@pytest.mark.parametrize("magic", [b"\xfd7zXZ\0", b"QFI\xfb\0\0\0\3" + bytes(7) + b"\x70" + b"\0\0\0\5"])
async def test_a_format_that_the_guest_wrote_is_not_believed(
    there: Site, tmp_path: Path, magic: bytes
) -> None:
    raw = ext(tmp_path / "guest.raw", tree(tmp_path / "guest"), mib=8)
    with raw.open("r+b") as file:
        file.write(magic)
    qcow2(raw).rename(there.data / "cloud-images" / "debian-12-magic.qcow2")
    await _known(there, "debian-12-magic")
    await vm(there, "magic", "debian-12-magic")
    image = await captured(there, "magic")
    back = tmp_path / "back.raw"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image["status"]["path"], back)
    assert back.read_bytes().startswith(magic)
    assert back.stat().st_size == raw.stat().st_size


async def test_a_vm_that_runs_is_not_captured(there: Site) -> None:
    await there.call(f"{VMS}/StartVM", {"id": "web"})
    assert reason(await there.call.refused(CAPTURE, {"vmId": "web"})) == "VM_RUNNING"
    await there.call(f"{VMS}/StopVM", {"id": "web", "force": True})
    converted = await there.call(f"{VMS}/ConvertToTemplate", {"vmId": "web"})
    assert (await there.call.ended(converted["status"]["jobId"]))["status"] == "COMPLETED"
    assert converted["spec"]["template"]["sourceTemplateId"] == (await there.image("web-template"))["id"]


async def test_one_that_runs_is_audited_as_far_as_that_is_true(there: Site) -> None:
    await there.call(f"{VMS}/StartVM", {"id": "web"})
    report = await there.call(f"{VMS}/PreflightCapture", {"vmId": "web"})
    codes = [found["code"] for found in report["findings"]]
    assert {"running", "machine-id"} <= set(codes)
    await there.call(f"{VMS}/StopVM", {"id": "web", "force": True})
    report = await there.call(f"{VMS}/PreflightCapture", {"vmId": "web"})
    assert "running" not in [found["code"] for found in report["findings"]]


async def test_the_next_daemon_lets_go_on_what_the_last_one_held(tmp_path: Path) -> None:
    async with site(tmp_path) as there:
        there.put("debian-12-genericcloud-amd64.qcow2")
        async with there.node():
            made = await vm(there, "web", "debian-12-genericcloud-amd64")
            await there.call(f"{VMS}/StartVM", {"id": "web"})
        await held(there.data, made["id"])
        async with there.node():
            assert (await running(there, "web"))["status"]["diskTask"]["kind"] == "capture"
            # Its guest has no agent that could thaw it, so it is held no more, but not free either.
            assert reason(await there.call.refused(f"{VMS}/StopVM", {"id": "web"})) == "VM_BUSY"
            stopped = await there.call(f"{VMS}/StopVM", {"id": "web", "force": True})
            assert stopped["status"]["state"] == "STOPPED"
            assert await there.call(f"{VMS}/StartVM", {"id": "web"})
            await there.call(f"{VMS}/StopVM", {"id": "web", "force": True})


async def running(there: Site, name: str) -> dict[str, Any]:
    async with aclosing(there.call.stream(f"{VMS}/WatchVM", {"vmId": name})) as states:
        async for told in states:
            if told["status"]["state"] == "RUNNING":
                return told
    raise AssertionError(f"{name} was deleted")


async def held(data: Path, vm_id: str) -> None:
    """What a daemon leaves that is killed while it copies the disk of a VM that runs."""
    folders = VmFolderTree.open(data / "vms")
    hypervisor = QemuHypervisor(folders=folders, settings=QemuSettings())
    await hypervisor.pause(vm_id)
    await hypervisor.detach()
    folders.close()
    journal = await JournalDatabase.open(data / "journal.db")
    [record] = await JournaledVms(journal).all()
    task = DiskTask(kind=DiskTaskKind.CAPTURE)
    await JournaledVms(journal).save(record.evolve(frozen=True, task=task))
    await journal.close()


async def _known(there: Site, name: str) -> None:
    await there.call(f"{IMAGES}/CollectGarbage", {"dryRun": True})
    while name not in str(await there.call(f"{IMAGES}/ListImages")):
        pass


def capture_order() -> DownloadOrder:
    return DownloadOrder(
        job_id="job-2",
        image_id="template",
        url="",
        filename="template.qcow2",
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        unverified=True,
        capture_vm="vm-1",
        wanted=Shape(format=ImageFormat.QCOW2),
    )


async def told(node: NodeProcess, asked: DownloadOrder, until: str = "") -> pb.DownloadProgress:
    """The job's last word, or the first one at that stage."""
    last = pb.DownloadProgress()
    call = node.client.download_image(order_to_wire(asked), metadata=node.metadata)
    async for last in call:
        if last.stage == until:
            break
    return last


async def test_killed_in_the_middle_it_begins_anew_and_leaves_nothing(tmp_path: Path, mirror: Mirror) -> None:
    root = tree(tmp_path / "root", GUEST)
    publish(mirror, qcow2(ext(tmp_path / "guest.raw", root, mib=24)).read_bytes())
    data = tmp_path / "data"
    async with node_process(data, mirror=mirror.base_url) as node:
        base = await told(node, order(job_id="job-1"))
        assert base.stage == "ready", base.error
        disk = pb.DiskSpec(backing_digest=base.digest)
        spec = pb.VMSpec(cpu_cores=1, memory_mib=64, disks=[disk])
        await node.client.create_vm(
            pb.CreateVMOnNodeRequest(vm_id="vm-1", name="web", spec=spec), metadata=node.metadata
        )
        assert (await told(node, capture_order(), "converting")).stage == "converting"
        await node.kill()
    async with node_process(data, mirror=mirror.base_url) as node:
        done = await told(node, capture_order())
        assert done.stage == "ready", done.error
        assert await traces(done.path) == set()
        left = [path for path in (data / "parts").rglob("*") if path.is_file()]
        assert left == []
    assert "backing-filename" not in described(done.path)


def described(path: str) -> str:
    command = ["qemu-img", "info", path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
