"""What makes a guest this one guest: found on real file systems, and cleaned by the real e2fsprogs."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from image_library.domain.errors import CleanerMissing, CleaningFailed
from image_library.domain.generalisation import MARKS, Action, GuestAudit, reported
from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_cleaner import E2fsCleaner
from image_library.node.adapters.jail import Jail, Wall, best_wall
from image_library.node.adapters.vm_disks import JailedVmDisks
from image_library.node.ports.capturing import DiskFile
from tests.support.guest_images import LINKS, MIB, SYSTEM, btrfs, disk, ext, qcow2, run, tree, xfs
from tests.support.guests_own import EVERYBODYS, GUEST, OWN, SECRET

JAIL = Jail(best_wall())
DISKS = JailedVmDisks(JAIL)
CODES = {mark.code for mark in MARKS}


def raw(path: Path) -> tuple[DiskFile, ...]:
    return (DiskFile(path=str(path), format=ImageFormat.RAW),)


def by_code(audit: GuestAudit) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for trace in audit.traces:
        if trace.kind != "folder":
            found.setdefault(trace.code, set()).add(trace.path.lstrip("/"))
    return found


@contextmanager
def opened(path: Path) -> Generator[int]:
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def partitioned(tmp_path: Path, folder: Path) -> Path:
    return disk(tmp_path / "disk.raw", "gpt", ("linux", ext(tmp_path / "root.ext4", folder, mib=24)))


def inside(image: Path, *requests: str) -> str:
    """What debugfs says of the first partition."""
    where = f"{image}?offset={2 * MIB}"
    asked = [
        subprocess.run(["debugfs", "-R", r, where], capture_output=True, text=True, check=True).stdout
        for r in requests
    ]
    return "".join(asked)


@pytest.mark.parametrize("kind", ["ext4", "ext3", "xfs", "btrfs"])
async def test_everything_of_its_own_is_found_and_nothing_else(tmp_path: Path, kind: str) -> None:
    folder = tree(tmp_path / "root", GUEST)
    image = tmp_path / "disk.raw"
    match kind:
        case "xfs":
            xfs(image, folder)
        case "btrfs":
            btrfs(image, folder)
        case _:
            ext(image, folder, kind=kind, mib=24)
    audit = await DISKS.audit(raw(image))
    assert (audit.file_system, audit.reason, audit.cloud_init) == (kind, "", True)
    found = by_code(audit)
    assert set().union(*found.values()) == set(OWN)
    assert set(found) == CODES
    assert audit.cleanable is (kind in ("ext4", "ext3"))


async def test_a_guest_without_anything_of_its_own_is_green(tmp_path: Path) -> None:
    fresh = {**SYSTEM, **EVERYBODYS, "etc/machine-id": "uninitialized\n", "var/log/auth.log": ""}
    audit = await DISKS.audit(raw(ext(tmp_path / "disk.raw", tree(tmp_path / "root", fresh))))
    report = reported(audit)
    assert [finding.code for finding in report.findings] == ["generalised"]
    assert report.left == ()


async def test_cleaning_leaves_nothing_of_it_not_even_deleted_bytes(tmp_path: Path) -> None:
    folder = tree(tmp_path / "root", GUEST, {**LINKS, "var/lib/cloud/instance": "instances/i-1"})
    image = partitioned(tmp_path, folder)
    before = await DISKS.audit(raw(image))
    assert before.offset == 2 * MIB
    assert SECRET.encode() in image.read_bytes()
    with opened(image) as descriptor:
        await E2fsCleaner(JAIL).clean(descriptor, before)
        after = await DISKS.audit_copy(descriptor)
    assert after.to_clean == ()
    kept = {mark.code for mark in MARKS if mark.action is Action.KEEP}
    assert set(by_code(after)) == kept
    assert SECRET.encode() not in image.read_bytes()
    run("e2fsck", "-f", "-n", f"{image}?offset={2 * MIB}")
    # An empty machine id is what systemd makes a new one for; a missing one would need a writable root.
    assert "Size: 0" in inside(image, "stat /etc/machine-id")
    assert inside(image, "cat /srv/data", "cat /etc/hostname") == "kept\nweb\n"
    assert "sshd_config" in inside(image, "ls /etc/ssh")
    assert "ssh_host" not in inside(image, "ls /etc/ssh")
    assert inside(image, "cat /var/lib/cloud/seed/nocloud-net/meta-data") == "instance-id: i-0\n"


async def test_a_file_system_that_e2fsck_reads_in_threads_is_cleaned(tmp_path: Path) -> None:
    """From 32 groups of blocks on, with two processors: every real disk, and no other image here."""
    image = ext(tmp_path / "large.raw", tree(tmp_path / "root", GUEST), mib=320)
    audit = await DISKS.audit(raw(image))
    with opened(image) as descriptor:
        await E2fsCleaner(JAIL).clean(descriptor, audit)
        assert not (await DISKS.audit_copy(descriptor)).to_clean


async def test_names_that_are_commands_are_left_and_told_of(tmp_path: Path) -> None:
    hostile = 'a"\nrm "kept"\n'
    folder = tree(tmp_path / "root", {**SYSTEM, "kept": "kept\n", f"tmp/{hostile}": "x"})
    (folder / "tmp" / 'quoted"').write_text("x")
    image = partitioned(tmp_path, folder)
    audit = await DISKS.audit(raw(image))
    with opened(image) as descriptor:
        await E2fsCleaner(JAIL).clean(descriptor, audit)
        after = await DISKS.audit_copy(descriptor)
    assert len(after.to_clean) == 2
    assert inside(image, "cat /kept") == "kept\n"


async def test_a_vms_disk_is_read_with_the_image_below_it(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    plain = ext(base / "plain.raw", tree(tmp_path / "plain", {**SYSTEM, "etc/machine-id": ""}), mib=24)
    lived = ext(base / "lived.raw", tree(tmp_path / "lived", GUEST), mib=24)
    image = qcow2(plain)
    own = tmp_path / "own.qcow2"
    # All that differs lies in the VM's own file; what it says of its backing file is not believed.
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", lived, "-F", "raw", own)
    run("qemu-img", "rebase", "-f", "qcow2", "-b", image, "-F", "qcow2", own)
    run("qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", own)
    chain = (
        DiskFile(path=str(own), format=ImageFormat.QCOW2),
        DiskFile(path=str(image), format=ImageFormat.QCOW2),
    )
    assert set().union(*by_code(await DISKS.audit(chain)).values()) == set(OWN)
    copy = tmp_path / "copy.raw"
    copy.touch()
    told: list[float] = []
    with opened(copy) as descriptor:
        assert await DISKS.measure(chain) <= 24 * MIB
        await DISKS.copy(chain, descriptor, told=told.append)
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", copy, lived)
    assert told[-1] == 1.0


async def test_an_unreadable_disk_is_a_red_finding(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(MIB))
    report = reported(await DISKS.audit(raw(image)))
    assert [finding.code for finding in report.blockers] == ["unread"]
    assert not report.cleanable


async def test_a_second_file_system_is_told_of_and_a_boot_partition_is_not(tmp_path: Path) -> None:
    root = ext(tmp_path / "root.ext4", tree(tmp_path / "root"), mib=16)
    boot = ext(tmp_path / "boot.ext4", tree(tmp_path / "boot", {"grub/grub.cfg": "x"}, {}), mib=8)
    data = ext(tmp_path / "data.ext4", tree(tmp_path / "data", {"home/me/.netrc": "x"}, {}), mib=8)
    image = disk(tmp_path / "disk.raw", "gpt", ("linux", boot), ("linux", root), ("linux", data))
    audit = await DISKS.audit(raw(image))
    assert audit.unseen == 1
    assert "unseen" in reported(audit).left


async def test_a_broken_file_system_is_not_published(tmp_path: Path) -> None:
    image = ext(tmp_path / "disk.raw", tree(tmp_path / "root", GUEST), mib=24)
    audit = await DISKS.audit(raw(image))
    with image.open("r+b") as file:
        file.write(bytes(MIB))
    with opened(image) as descriptor, pytest.raises(CleaningFailed):
        await E2fsCleaner(JAIL).clean(descriptor, audit)


async def test_without_the_programs_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(CleanerMissing, match="e2fsck") as refused:
        await E2fsCleaner(JAIL, search_path=str(tmp_path)).clean(0, GuestAudit(file_system="ext4"))
    assert "e2fsprogs" in refused.value.remedy


async def test_bubblewrap_does_as_well(tmp_path: Path) -> None:
    image = partitioned(tmp_path, tree(tmp_path / "root", GUEST))
    jail = Jail(Wall.BUBBLEWRAP)
    with opened(image) as descriptor:
        audit = await JailedVmDisks(jail).audit_copy(descriptor)
        await E2fsCleaner(jail).clean(descriptor, audit)
        assert (await JailedVmDisks(jail).audit_copy(descriptor)).to_clean == ()
