"""A hypervisor, a guest to look at, and a node's VM storage, all in memory."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from image_library.domain.boot_progress import AgentFacts
from image_library.domain.changes import Changes
from image_library.domain.errors import (
    AgentMissing,
    FreezeFailed,
    HypervisorFailed,
    ImageNotReady,
    LibraryError,
)
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Condition, Machine, MachineRecord
from image_library.domain.seed_files import seed_files
from image_library.domain.store import ImageFacts, LocalFile, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.domain.vm import SeedDocuments

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


class QuickClock:
    """Time that jumps to the next sleeper's end as soon as everybody else had a turn to do something."""

    TURNS = 5

    def __init__(self) -> None:
        self._seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._passing = False

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._seconds + seconds, next(self._count), awake))
        self._pass(self.TURNS)
        await awake

    def _pass(self, turns: int) -> None:
        if not self._passing:
            self._passing = True
            asyncio.get_running_loop().call_soon(self._turn, turns)

    def _turn(self, left: int) -> None:
        self._passing = False
        if left:
            self._pass(left - 1)
            return
        while self._sleepers:
            end, _, awake = heapq.heappop(self._sleepers)
            if not awake.done():
                self._seconds = max(self._seconds, end)
                awake.set_result(None)
                break
        if self._sleepers:
            self._pass(self.TURNS)


class FakeHypervisor:
    """Guests that obey, or do not, as they are told here."""

    def __init__(self) -> None:
        self.conditions: dict[str, Condition] = {}
        self.obeys_button = True
        self.obeys_agent = False
        self.refusal: LibraryError | None = None
        self.refused_definition: LibraryError | None = None
        self.defined: set[str] = set()
        self.mute: set[str] = set()
        self.restless = False
        self.started: list[tuple[Machine, frozenset[int]]] = []
        self.ended: list[str] = []
        self.asked: list[str] = []
        self.resized: list[tuple[str, int]] = []
        self.was_asked = asyncio.Event()
        self._changes = Changes()
        self._next_port = 40000

    def becomes(self, vm_id: str, condition: Condition) -> None:
        self.conditions[vm_id] = condition
        self._changes.notify(vm_id)

    async def accelerator(self) -> str:
        return "tcg"

    async def capabilities(self) -> tuple[str, ...]:
        return ("basic", "uefi")

    async def has_doors(self) -> bool:
        return True

    async def define(self, machine: Machine) -> None:
        if self.refused_definition:
            raise self.refused_definition
        self.defined.add(machine.vm_id)

    async def forget(self, vm_id: str) -> None:
        self.defined.discard(vm_id)

    async def start(self, machine: Machine, *, avoid_ports: frozenset[int]) -> int:
        if self.refusal:
            raise self.refusal
        self.started.append((machine, avoid_ports))
        self._next_port += 1
        self.becomes(machine.vm_id, Condition.RUNNING)
        return (machine.ssh_port or self._next_port) if machine.forwards_ssh else 0

    async def condition(self, vm_id: str) -> Condition:
        if vm_id in self.mute:
            raise HypervisorFailed("It does not answer.")
        return self.conditions.get(vm_id, Condition.GONE)

    async def changed(self, vm_id: str, known: Condition | None) -> Condition:
        with self._changes.follow(vm_id) as bell:
            while (condition := await self.condition(vm_id)) is known:
                await bell.wait()
            return condition

    async def press_power_button(self, vm_id: str) -> None:
        self.asked.append("button")
        self.was_asked.set()
        if self.obeys_button:
            self.becomes(vm_id, Condition.SHUT_DOWN)

    async def ask_agent_to_shut_down(self, vm_id: str) -> None:
        self.asked.append("agent")
        if self.obeys_agent:
            self.becomes(vm_id, Condition.SHUT_DOWN)

    async def resize_disk(self, vm_id: str, size_bytes: int) -> None:
        self.resized.append((vm_id, size_bytes))

    async def pause(self, vm_id: str) -> None:
        if self.conditions.get(vm_id) is not Condition.RUNNING or self.restless:
            raise HypervisorFailed("It does not stand still.")
        self.becomes(vm_id, Condition.PAUSED)

    async def resume(self, vm_id: str) -> None:
        if self.conditions.get(vm_id) is Condition.PAUSED:
            self.becomes(vm_id, Condition.RUNNING)

    async def end(self, vm_id: str) -> None:
        self.mute.discard(vm_id)
        self.ended.append(vm_id)
        self.becomes(vm_id, Condition.GONE)

    async def detach(self) -> None:
        self._changes = Changes()


class FakeAgents:
    """Agents of the guests of that hypervisor: who is paused says nothing."""

    def __init__(self, hypervisor: FakeHypervisor) -> None:
        self._hypervisor = hypervisor
        self.frozen: set[str] = set()
        self.scripts: list[str] = []
        self.failure: LibraryError | None = None
        self.silent = False
        self.freezes = 0
        # What somebody does while it freezes.
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def freeze(self, vm_id: str) -> None:
        self.freezes += 1
        if self.silent:
            raise AgentMissing("It does not answer.")
        self.frozen.add(vm_id)
        if self.meanwhile:
            await self.meanwhile()
        if self.failure:
            raise self.failure

    async def thaw(self, vm_id: str) -> None:
        if self.silent or self._hypervisor.conditions.get(vm_id) is not Condition.RUNNING:
            raise FreezeFailed("It does not answer.")
        self.frozen.discard(vm_id)

    async def run(self, vm_id: str, script: str) -> None:
        if self.failure:
            raise self.failure
        self.scripts.append(script)


class FakeWindow:
    """A guest's console, SSH server and agent, as a test scripts them."""

    def __init__(self) -> None:
        self.text: defaultdict[str, bytes] = defaultdict(bytes)
        self.ssh = False
        self.facts: AgentFacts | None = None
        self.ssh_tries = 0
        self.trimmed = 0

    async def console(self, vm_id: str, offset: int) -> bytes:
        return self.text[vm_id][offset : offset + 64]

    async def console_size(self, vm_id: str) -> int:
        return len(self.text[vm_id])

    async def trim_console(self, vm_id: str) -> None:
        self.trimmed += 1

    async def ssh_answers(self, port: int) -> bool:
        self.ssh_tries += 1
        return self.ssh

    async def agent(self, vm_id: str) -> AgentFacts | None:
        return self.facts


class MemoryVmJournal:
    def __init__(self) -> None:
        self.records: dict[str, MachineRecord] = {}
        self.failure: LibraryError | None = None

    async def all(self) -> tuple[MachineRecord, ...]:
        return tuple(self.records.values())

    async def save(self, record: MachineRecord) -> None:
        if self.failure:
            raise self.failure
        self.records[record.machine.vm_id] = record

    async def remove(self, vm_id: str) -> None:
        self.records.pop(vm_id, None)


class MemoryFolders:
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.dropped: list[tuple[str, str]] = []

    def path(self, vm_id: str) -> str:
        return f"/data/vms/{vm_id}"

    async def make(self, vm_id: str) -> str:
        self.names.add(vm_id)
        return self.path(vm_id)

    async def remove(self, vm_id: str) -> None:
        self.names.discard(vm_id)

    async def drop(self, vm_id: str, name: str) -> None:
        self.dropped.append((vm_id, name))

    async def files(self, vm_id: str) -> tuple[str, ...]:
        return ()

    async def size(self, vm_id: str) -> int:
        return 100 if vm_id in self.names else 0

    async def listed(self) -> tuple[str, ...]:
        return tuple(sorted(self.names))


@dataclass(kw_only=True)
class MadeDisk:
    target: str
    backing: str
    backing_format: ImageFormat
    size_bytes: int


@dataclass
class FakeDisks:
    made: list[MadeDisk] = field(default_factory=list[MadeDisk])
    flattened: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    failure: LibraryError | None = None
    before: Callable[[], Awaitable[object]] | None = None

    async def create_overlay(
        self, target: str, *, backing: str, backing_format: ImageFormat, size_bytes: int
    ) -> None:
        if self.before:
            await self.before()
        if self.failure:
            raise self.failure
        self.made.append(
            MadeDisk(target=target, backing=backing, backing_format=backing_format, size_bytes=size_bytes)
        )

    async def flatten(
        self,
        source: str,
        target: str,
        *,
        backing: str,
        backing_format: ImageFormat,
        told: Callable[[float], None] = lambda share: None,
    ) -> None:
        if self.before:
            await self.before()
        if self.failure:
            raise self.failure
        self.flattened.append((source, target))


@dataclass
class FakeSeeds:
    written: list[tuple[str, SeedDocuments]] = field(default_factory=list[tuple[str, SeedDocuments]])
    failure: LibraryError | None = None

    async def write(self, folder: str, documents: SeedDocuments) -> None:
        if self.failure:
            raise self.failure
        self.written.append((folder, documents))


@dataclass
class FakeDesk:
    """Documents by VM and name, and the serial numbers that say where they are."""

    documents: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    serials: dict[str, str] = field(default_factory=dict[str, str])

    async def lay_out(self, folder: str, documents: SeedDocuments, serial: str) -> None:
        vm_id = folder.rpartition("/")[2]
        self.documents[vm_id], self.serials[vm_id] = seed_files(documents), serial

    async def find(self, vm_id: str, name: str) -> bytes | None:
        return self.documents.get(vm_id, {}).get(name)

    async def clear(self, vm_id: str) -> None:
        self.documents.pop(vm_id, None)


def published(digest: str, *, virtual_size: int, path: str = "/data/blobs/one") -> PublishedImage:
    return PublishedImage(
        digest=digest,
        size_bytes=100,
        facts=ImageFacts(format=ImageFormat.QCOW2, virtual_size_bytes=virtual_size),
        blob_path=path,
        link_path="/data/cloud-images/one.qcow2",
        evidence=Evidence(level=TrustLevel.CHECKSUM),
        published_at=NOON,
    )


class KnownImages:
    """The store's and the operator folder's finders over a few images."""

    def __init__(self, *images: PublishedImage, files: tuple[LocalFile, ...] = ()) -> None:
        self._images = {image.digest: image for image in images}
        self.files = KnownFiles(files)

    def add(self, image: PublishedImage) -> None:
        self._images[image.digest] = image

    def lose(self, digest: str) -> None:
        del self._images[digest]

    async def find(self, digest: str) -> PublishedImage:
        if digest not in self._images:
            raise ImageNotReady("It is not here.")
        return self._images[digest]

    async def find_by_path(self, path: str) -> PublishedImage | None:
        return next((i for i in self._images.values() if path in {i.blob_path, i.link_path}), None)


class KnownFiles:
    def __init__(self, files: tuple[LocalFile, ...]) -> None:
        self._files = {file.path: file for file in files}

    def add(self, file: LocalFile) -> None:
        self._files[file.path] = file

    async def find_by_path(self, path: str) -> LocalFile | None:
        return self._files.get(path)
