"""What a node collects, and what it never touches."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from image_library.domain.changes import Changes
from image_library.domain.errors import ImageNotReady
from image_library.domain.garbage import GarbageItem, GarbageKind, GarbageOrder
from image_library.domain.guest_door import Doorways
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.machine import Backing, Firmware, Machine, MachineRecord
from image_library.domain.store import DownloadOrder
from image_library.domain.vm import VmReport
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors
from image_library.node.adapters.store.part_records import PartRecord, PartRecords
from image_library.node.services.collect_garbage import GarbageCollection
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.vm_leftovers import VmLeftovers
from image_library.node.services.vm_lives import VmLives
from image_library.node.services.vm_records import VmRecords
from tests.fakes.hypervisor import (
    FakeDesk,
    FakeHypervisor,
    FakeWindow,
    MemoryFolders,
    MemoryVmJournal,
    QuickClock,
)
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, Workbench, order, publish, workbench
from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt

MIB = 1 << 20
IMAGE = Qcow2().file(2 * MIB)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
DIGEST = f"sha256:{SHA256}"
EVERYTHING = GarbageOrder(complete=True)
# A week and a day have passed since everything was written.
LONG = timedelta(days=8)


@dataclass
class Users:
    """Fulfils ``ImageUsers``; ``asked`` is called before each answer."""

    names: tuple[str, ...] = ()
    asked: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    async def users_of(self, digest: str) -> tuple[str, ...]:
        for call in self.asked:
            call()
        return self.names


@dataclass
class Node:
    """A node's store and VM folders with its garbage collection."""

    bench: Workbench
    collection: GarbageCollection
    users: Users
    holds: ImageHolds
    folders: MemoryFolders
    records: VmRecords
    lives: VmLives
    removals: list[str]

    async def collect(self, wanted: GarbageOrder = EVERYTHING) -> list[tuple[GarbageKind, str]]:
        return kinds(await self.collection.collect(wanted))

    @property
    def blob(self) -> Path:
        return self.bench.layout.blob(SHA256)


def kinds(items: tuple[GarbageItem, ...]) -> list[tuple[GarbageKind, str]]:
    return [(item.kind, item.name) for item in items]


@asynccontextmanager
async def node(
    tmp_path: Path, mirror: Mirror | None = None, *, ahead: timedelta = LONG
) -> AsyncGenerator[Node]:
    async with workbench(tmp_path / "data", mirror=mirror.base_url if mirror else "", ahead=ahead) as bench:
        users, holds, folders, removals = Users(), ImageHolds(), MemoryFolders(), list[str]()
        records = VmRecords(journal=MemoryVmJournal(), changes=Changes())
        hypervisor = FakeHypervisor()
        clock = QuickClock()
        lives = VmLives(
            records=records,
            hypervisor=hypervisor,
            window=FakeWindow(),
            doors=QemuDoors(folders),
            keeper=DoorKeeper(records=records, desk=FakeDesk(), clock=clock, doorways=Doorways()),
            clock=clock,
            host_boot_id="boot",
        )
        collection = GarbageCollection(
            sweep=bench.store.sweep,
            leftovers=VmLeftovers(records=records, lives=lives, folders=folders, hypervisor=hypervisor),
            users=users,
            holds=holds,
            live_parts=bench.downloads.live_parts,
            node_id=bench.node_id,
            removed=lambda: removals.append("told"),
        )
        yield Node(bench, collection, users, holds, folders, records, lives, removals)


async def published(mirror: Mirror, there: Node) -> None:
    publish(mirror, IMAGE)
    assert (await there.bench.finish(order())).state is JobState.READY


# Blobs


async def test_a_blob_that_the_library_knows_or_a_vm_uses_stays(tmp_path: Path, mirror: Mirror) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        assert await there.collect(GarbageOrder(complete=True, known=frozenset({DIGEST}))) == []
        there.users.names = ("web",)
        assert await there.collect() == []
        assert there.blob.exists()


async def test_one_that_nobody_knows_goes_with_its_link_and_record(tmp_path: Path, mirror: Mirror) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        [dry] = await there.collection.collect(GarbageOrder(complete=True, dry_run=True))
        assert (dry.kind, dry.name, dry.node_id) == (GarbageKind.BLOB, DIGEST, there.bench.node_id)
        assert 0 < dry.bytes <= 3 * MIB
        assert there.blob.exists()
        assert await there.collect() == [(GarbageKind.BLOB, DIGEST)]
        assert (there.blob.exists(), there.removals) == (False, ["told"])
        assert list(there.bench.layout.cloud_images.glob("[!.]*")) == []
        assert list(there.bench.layout.trash.iterdir()) == []
        with pytest.raises(ImageNotReady):
            await there.bench.store.find(DIGEST)


async def test_a_young_one_stays_for_it_may_not_be_known_yet(tmp_path: Path, mirror: Mirror) -> None:
    async with node(tmp_path, mirror, ahead=timedelta()) as there:
        await published(mirror, there)
        assert await there.collect() == []


async def test_unless_the_caller_knows_all_blobs_and_folders_are_left_alone(
    tmp_path: Path, mirror: Mirror
) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        there.folders.names.add("vm-9")
        assert await there.collect(GarbageOrder()) == []
        assert (there.blob.exists(), there.folders.names) == (True, {"vm-9"})


async def test_one_that_a_vm_is_being_built_on_stays(tmp_path: Path, mirror: Mirror) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        with there.holds.hold(DIGEST):
            assert await there.collect() == []
        assert there.blob.exists()


async def test_one_that_is_used_by_the_second_look_comes_back(tmp_path: Path, mirror: Mirror) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        seen: list[bool] = []

        def a_vm_appears() -> None:
            seen.append(there.blob.exists())
            there.users.names = ("web",)

        there.users.asked.append(a_vm_appears)
        assert await there.collect() == []
        assert seen == [False]
        assert (await there.bench.store.find(DIGEST)).digest == DIGEST


async def test_nobody_builds_on_one_that_is_going(tmp_path: Path, mirror: Mirror) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        refused: list[str] = []

        def somebody_wants_it() -> None:
            try:
                with there.holds.hold(DIGEST):
                    refused.append("held")
            except ImageNotReady:
                refused.append("refused")

        there.users.asked.append(somebody_wants_it)
        assert await there.collect() == [(GarbageKind.BLOB, DIGEST)]
        assert refused == ["refused"]


@pytest.mark.parametrize("first", ["collection", "import"])
async def test_an_import_of_the_same_bytes_ends_with_them_whoever_is_first(
    tmp_path: Path, mirror: Mirror, first: str
) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        again = order()
        if first == "import":
            await there.bench.downloads.start(again)
        collecting = asyncio.create_task(there.collect())
        if first == "collection":
            await asyncio.sleep(0)
            await there.bench.downloads.start(again)
        await collecting
        done = await there.bench.ended(again.job_id)
        assert done.state is JobState.READY, done.failure
        whole = await there.bench.store.published()
        # Gone right after the import had its answer, it is told by the next inventory; never half.
        assert (there.blob.exists(), [i.digest for i in whole[0]], whole[1]) in (
            (True, [DIGEST], ()),
            (False, [], ()),
        )


async def test_killed_with_a_blob_in_the_trash_the_next_start_puts_it_back(
    tmp_path: Path, mirror: Mirror
) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        there.bench.layout.trash.mkdir()
        there.blob.rename(there.bench.layout.trash / SHA256)
    async with node(tmp_path, mirror) as there:
        assert (await there.bench.store.find(DIGEST)).digest == DIGEST
        await there.bench.journal.run(lambda c: c.execute("DELETE FROM published"))
        there.blob.rename(there.bench.layout.trash / SHA256)
    async with node(tmp_path, mirror) as there:
        assert (there.blob.exists(), list(there.bench.layout.trash.iterdir())) == (False, [])


async def test_a_blob_without_a_record_goes_too(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        there.blob.parent.mkdir()
        there.blob.write_bytes(IMAGE)
        assert await there.collect() == [(GarbageKind.BLOB, DIGEST)]


async def test_an_operators_name_for_the_file_goes_with_it_and_frees_its_bytes(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        path = there.bench.layout.cloud_images / "golden.qcow2"
        path.write_bytes(IMAGE)
        wanted: DownloadOrder = order(
            "golden.qcow2", url="", checksum_url="", unverified=True, adopt_path=str(path)
        )
        assert (await there.bench.finish(wanted)).state is JobState.READY
        assert await there.collect() == [(GarbageKind.BLOB, DIGEST)]
        assert not path.exists()


# Parts


async def stale_part(there: Node, key: str = "ab" * 16) -> Path:
    path = there.bench.layout.part(key)
    path.write_bytes(b"x" * 8192)
    await PartRecords(there.bench.journal).save(PartRecord(key=key, expected="sha512:00"))
    await there.bench.journal.run(lambda c: c.execute("UPDATE parts SET touched_at = 0"))
    return path


async def test_a_part_that_nobody_goes_on_with_goes(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        path = await stale_part(there)
        [dry] = await there.collection.collect(GarbageOrder(dry_run=True))
        assert (dry.kind, dry.name, dry.bytes, path.exists()) == (GarbageKind.PART, path.name, 8192, True)
        assert await there.collect(GarbageOrder()) == [(GarbageKind.PART, path.name)]
        assert (path.exists(), await PartRecords(there.bench.journal).load("ab" * 16)) == (False, None)


async def test_a_part_of_the_last_week_stays(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        path = there.bench.layout.part("cd" * 16)
        path.write_bytes(b"x")
        await PartRecords(there.bench.journal).save(PartRecord(key="cd" * 16, expected="sha512:00"))
        assert await there.collect() == []
        assert path.exists()


async def test_the_part_of_a_download_stays_however_old_it_looks(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(f"{PUBLISHER}/disk.qcow2", HoldAt(MIB))
    async with node(tmp_path, mirror) as there:
        wanted = order()
        await there.bench.downloads.start(wanted)
        await there.bench.until(wanted.job_id, lambda d: d.progress.done >= MIB)
        [path] = there.bench.layout.parts.iterdir()
        await there.bench.journal.run(lambda c: c.execute("UPDATE parts SET touched_at = 0"))
        os.utime(path, (0, 0))
        assert await there.collect() == []
        assert path.exists()


async def test_a_part_that_somebody_takes_up_by_the_second_look_comes_back(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        path = await stale_part(there)

        async def taken_up() -> frozenset[str]:
            assert not path.exists()
            return frozenset({"ab" * 16})

        assert not await there.bench.store.sweep.drop_part(path.name, taken_up)
        assert path.read_bytes() == b"x" * 8192


async def test_a_part_that_was_begun_anew_meanwhile_is_the_new_one(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        path = await stale_part(there)

        async def begun_anew() -> frozenset[str]:
            path.write_bytes(b"new")
            return frozenset({"ab" * 16})

        assert not await there.bench.store.sweep.drop_part(path.name, begun_anew)
        assert path.read_bytes() == b"new"


# Links and folders


async def test_a_link_to_nothing_goes_and_others_stay(tmp_path: Path, mirror: Mirror) -> None:
    async with node(tmp_path, mirror) as there:
        await published(mirror, there)
        folder = there.bench.layout.cloud_images
        gone = "0" * 64
        (folder / "dead.qcow2").symlink_to(there.bench.layout.link_target(gone))
        (folder / "theirs.qcow2").symlink_to("/nowhere")
        assert await there.collect(GarbageOrder()) == [(GarbageKind.LINK, "dead.qcow2")]
        assert {path.name for path in folder.glob("[!.]*")} == {"disk.qcow2", "theirs.qcow2"}


def a_record(vm_id: str) -> MachineRecord:
    machine = Machine(
        vm_id=vm_id,
        name=vm_id,
        architecture="x86_64",
        cores=1,
        memory_mib=64,
        firmware=Firmware.BIOS,
        mac_address="52:54:00:00:00:01",
        disk_bytes=1,
        backing=Backing(path="/base", format=ImageFormat.RAW),
    )
    return MachineRecord(machine=machine, report=VmReport(vm_id=vm_id))


async def test_a_folder_that_is_no_vms_goes(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        there.folders.names |= {"vm-1", "vm-9"}
        there.records.adopt(a_record("vm-1"))
        dry = await there.collection.collect(GarbageOrder(complete=True, dry_run=True))
        assert [(i.kind, i.name, i.bytes) for i in dry] == [(GarbageKind.VM, "vm-9", 100)]
        assert await there.collect() == [(GarbageKind.VM, "vm-9")]
        assert there.folders.names == {"vm-1"}


async def test_a_folder_of_a_vm_that_is_being_made_stays(tmp_path: Path) -> None:
    async with node(tmp_path) as there:
        there.folders.names.add("vm-2")
        lock = there.lives.lock("vm-2")
        async with lock:
            assert await there.collect() == []
            there.records.adopt(a_record("vm-2"))
        assert await there.collect() == []
        assert there.folders.names == {"vm-2"}
