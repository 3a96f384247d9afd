"""What a node does to a VM's disk, as walks that can be broken off anywhere, and what must hold afterwards.

The node is put together as it serves, with its own journal, store and jailed programs.
"""

# Nobody else waits for the loop.
# ruff: noqa: ASYNC240
from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from image_library.domain.errors import UnknownJob
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.machine import DiskOrder, Firmware, Machine, MachineOrder
from image_library.domain.store import DownloadOrder
from image_library.domain.vm import SeedDocuments
from image_library.domain.vm_disk import DiskTaskState
from image_library.node.app import Parts, open_parts
from image_library.node.settings import Settings
from image_library.node.world import World, open_world
from tests.crash.calls import Calls

MIB = 1 << 20
SIZE, GROWN = 4 * MIB, 6 * MIB
VM = "vm-1"
# Patterns as a guest writes them: over the image's bytes, where it has none, and what it gives back.
WRITTEN = ("write -P 0x22 1M 512k", "write -z 2M 256k", "write -P 0x33 3M 64k")
LATER = ("write -P 0x44 0 128k", "write -P 0x55 3M 128k")
KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Node:
    world: World
    parts: Parts
    # The digests of the two versions of an image.
    old: str
    new: str

    @property
    def machine(self) -> Machine:
        return self.parts.machines.records.get(VM).machine

    @property
    def disk(self) -> Path:
        return self.folder / self.machine.disk

    @property
    def folder(self) -> Path:
        return self.world.layout.vms / VM

    async def task_ended(self) -> None:
        async with aclosing(self.parts.machines.streams.watch(VM)) as reports:
            async for report in reports:
                task = report.disk.task if report.disk else None
                if task is not None and not task.live:
                    assert task.state is DiskTaskState.DONE, task
                    break
        # What it has replaced goes after that.
        async with self.parts.machines.lives.lock(VM):
            return


@asynccontextmanager
async def started(data: Path, digests: tuple[str, str] = ("", "")) -> AsyncGenerator[Node]:
    """As a node does when it starts: everything that recovers, has; nobody can call it."""
    settings = Settings(data_dir=data, control_plane_url="", join_token="", accelerator="tcg")
    async with AsyncExitStack() as stack:
        world = await open_world(stack, settings)
        parts = await open_parts(stack, world, {})
        yield Node(world=world, parts=parts, old=digests[0], new=digests[1])


@dataclass(frozen=True, kw_only=True)
class Walk:
    """``work`` may be repeated after it was broken off. ``done``: whether the journal has its result."""

    name: str
    work: Callable[[Node], Awaitable[None]]
    done: Callable[[Node], bool]
    # What the disk shows when the work is done, if that is another.
    shows: str = "disk"
    size: int = SIZE


async def _rebase(node: Node) -> None:
    await node.parts.machines.disks.begin_rebase(VM, node.new)
    await node.task_ended()


async def _flatten(node: Node) -> None:
    await node.parts.machines.disks.flatten(VM)


async def _grow(node: Node) -> None:
    await node.parts.machines.disks.grow(VM, GROWN)


async def _snapshot(node: Node) -> None:
    await node.parts.machines.disks.begin_snapshot(VM, "second")
    await node.task_ended()


async def _revert(node: Node) -> None:
    await node.parts.machines.disks.begin_revert(VM, KEPT)
    await node.task_ended()


async def _capture(node: Node) -> None:
    wanted = DownloadOrder(
        job_id="job-capture",
        image_id="template",
        url="",
        filename="template.qcow2",
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        unverified=True,
        capture_vm=VM,
        capture_clean=False,
        capture_force=True,
    )
    await node.parts.downloads.start(wanted)
    await _ready(node, wanted.job_id)


async def _ready(node: Node, job_id: str) -> str:
    last = [download async for download in node.parts.downloads.follow(job_id)][-1]
    assert last.state is JobState.READY, (last.state, last.failure)
    assert last.published is not None
    return last.published.digest


WALKS = (
    Walk(name="rebase", work=_rebase, done=lambda node: node.machine.backing.digest == node.new),
    Walk(name="flatten", work=_flatten, done=lambda node: node.machine.flat),
    Walk(name="grow", work=_grow, done=lambda node: node.machine.disk_bytes == GROWN, size=GROWN),
    Walk(name="snapshot", work=_snapshot, done=lambda node: len(node.machine.snapshots) == 2),
    Walk(name="revert", work=_revert, done=lambda node: node.machine.files_made > 1, shows=KEPT),
    Walk(name="capture", work=_capture, done=lambda node: False),
)


def run(*words: str | Path) -> str:
    return subprocess.run([*map(str, words)], check=True, capture_output=True, text=True).stdout


def write(disk: Path, *commands: str) -> None:
    run("qemu-io", "-f", "qcow2", *(word for command in commands for word in ("-c", command)), disk)


def shown(disk: Path) -> tuple[str, int]:
    """The digest of the first bytes that a guest sees, and how many it sees; the others are zeros."""
    raw = disk.with_suffix(".shown")
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, raw)
    data = raw.read_bytes()
    raw.unlink()
    assert not any(data[SIZE:]), "there is something where nobody has written"
    return hashlib.sha256(data[:SIZE]).hexdigest(), len(data)


async def prepare(data: Path) -> dict[str, str]:
    """A VM on the first of two versions, with a snapshot; the versions' digests, and what its disks show."""
    async with started(data) as node:
        found: dict[str, str] = {}
        for name, commands in (
            ("old", ("write -P 0x11 0 2M",)),
            ("new", ("write -P 0x11 0 1M", "write -P 0x66 2M 1M")),
        ):
            path = node.world.layout.cloud_images / f"{name}.qcow2"
            run("qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE))
            write(path, *commands)
            found[name] = await _adopted(node, path)
        order = MachineOrder(
            vm_id=VM,
            name="web",
            architecture="x86_64",
            cores=1,
            memory_mib=64,
            firmware=Firmware.BIOS,
            disk=DiskOrder(backing_digest=found["old"]),
            seed=SeedDocuments(user_data="", meta_data="instance-id: i-1\n"),
        )
        await node.parts.machines.vms.create(order)
        write(node.disk, *WRITTEN)
        await node.parts.machines.disks.begin_snapshot(VM, KEPT)
        await node.task_ended()
        write(node.disk, *LATER)
        [kept] = node.machine.snapshots
        return found | {"disk": shown(node.disk)[0], KEPT: shown(node.folder / kept.file)[0]}


async def _adopted(node: Node, path: Path) -> str:
    wanted = DownloadOrder(
        job_id=f"job-{path.stem}",
        image_id=path.stem,
        url="",
        filename=path.name,
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        unverified=True,
        adopt_path=str(path),
    )
    await node.parts.downloads.start(wanted)
    return await _ready(node, wanted.job_id)


async def walked(walk: Walk, data: Path, calls: Calls, known: dict[str, str]) -> None:
    calls.watch()
    async with started(data, (known["old"], known["new"])) as node:
        calls.armed = True
        await walk.work(node)
        calls.armed = False


async def recovered(walk: Walk, data: Path, known: dict[str, str], *, finished: bool) -> None:
    """Start again: the VM has one whole disk, as before or as after; done once more, the work succeeds.

    Raises:
        AssertionError: what does not hold.
    """
    async with started(data, (known["old"], known["new"])) as node:
        if walk.name == "capture":
            with suppress(UnknownJob):
                await _ready(node, "job-capture")
        assert not finished or walk.done(node) or walk.name == "capture", "what was done is lost"
        _is_whole(walk, node, known)
        if not walk.done(node):
            await walk.work(node)
            _is_whole(walk, node, known)
        if walk.name == "capture":
            await _is_captured(node, known)
        else:
            assert walk.done(node), "it was not done again"


def _is_whole(walk: Walk, node: Node, known: dict[str, str]) -> None:
    record = node.parts.machines.records.get(VM)
    machine, done = record.machine, walk.done(node)
    assert record.task is None or not record.task.live, record.task
    files = {path.name for path in node.folder.iterdir()}
    assert files == machine.disk_files | {"seed.iso"}, f"left over, or lost: {sorted(files)}"
    expected = {machine.disk: known[walk.shows if done else "disk"]}
    for kept in machine.snapshots:
        # The disk before a rebase, and a second snapshot, are what the disk was.
        expected[kept.file] = known[KEPT if kept.snapshot.name == KEPT else "disk"]
    for name, digest in expected.items():
        disk = node.folder / name
        run("qemu-img", "check", "-q", "-f", "qcow2", disk)
        assert shown(disk)[0] == digest, f"{name} shows other bytes"
    assert shown(node.disk)[1] == machine.disk_bytes, "the journal has another size than the disk"
    base = json.loads(run("qemu-img", "info", "--output=json", node.disk)).get("backing-filename")
    assert base == (None if machine.flat else machine.backing.path), f"its base is {base}"


async def _is_captured(node: Node, known: dict[str, str]) -> None:
    digest = await _ready(node, "job-capture")
    images, problems = await node.world.store.published()
    assert problems == ()
    assert {image.digest for image in images} == {known["old"], known["new"], digest}
    template = Path(next(image.blob_path for image in images if image.digest == digest))
    assert digest == f"sha256:{hashlib.sha256(template.read_bytes()).hexdigest()}", "other bytes"
    seen = node.folder / "template.qcow2"
    shutil.copy(template, seen)
    assert shown(seen)[0] == known["disk"], "the template shows other bytes"
    seen.unlink()
    left = [path.name for path in node.world.layout.parts.iterdir()]
    assert left == [], f"left over: {left}"
