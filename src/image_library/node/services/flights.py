"""One download of one version, however many jobs ask for it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from image_library.domain.job import JobState
from image_library.domain.progress import Progress, SpeedMeter, Waiting
from image_library.domain.store import Download, DownloadOrder
from image_library.node.ports.storage import OpenedFile, Part
from image_library.node.services.receive_upload import upload_part


def version_key(order: DownloadOrder) -> str:
    """The same for orders that mean the same bytes: from the same place, proved in the same way."""
    if order.received:
        return upload_part(order.job_id, order.checksum_algorithm).key
    if order.adopt_path:
        return hashlib.sha256(f"adopt\0{order.adopt_path}".encode()).hexdigest()[:32]
    if order.convert_digest:
        made = f"convert\0{order.convert_digest}\0{order.wanted}"
        return hashlib.sha256(made.encode()).hexdigest()[:32]
    if order.capture_vm:
        # Each is of its own moment.
        return hashlib.sha256(f"capture\0{order.capture_vm}\0{order.job_id}".encode()).hexdigest()[:32]
    proof = (order.checksum_algorithm, order.checksum_url, order.digest, order.digest_source)
    if order.signature:
        proof += (order.signature.url, *(key.fingerprint for key in order.signature.keys))
    size = (f"{order.size_bytes} bytes",) if order.size_bytes else ()
    shape = (str(order.wanted),) if order.wanted else ()
    parts = (order.url, *proof, order.format.value, *size, *shape)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@dataclass(eq=False)
class Flight:
    """Its members move through the same states; each is a record of its own and may be cancelled alone."""

    key: str
    members: dict[str, Download] = field(default_factory=dict[str, Download])
    state: JobState = JobState.QUEUED
    waiting: Waiting = Waiting()
    # What its bytes go into, or come from.
    part: Part | OpenedFile | None = None
    # How far unpacking and converting are: bytes of what came, and how many these are.
    worked: tuple[int, int] = (0, 0)
    meter: SpeedMeter = field(default_factory=SpeedMeter)
    task: asyncio.Task[None] | None = None
    # From here on it cannot be stopped any more, only awaited.
    publishing: bool = False

    @property
    def order(self) -> DownloadOrder:
        """The first member's: all of them mean the same version."""
        return next(iter(self.members.values())).order

    @property
    def open(self) -> bool:
        """Whether more members may join: not one that everybody left, nor one whose end is being written."""
        return bool(self.members) and not self.publishing

    @property
    def shown(self) -> dict[str, object]:
        """What is waited for, as the members' records say it."""
        return {"waiting_for": self.waiting.what, "tries": self.waiting.tries}

    def advance(self, state: JobState) -> tuple[Download, ...]:
        self.state, self.waiting = state, Waiting()
        changes = self.shown
        if state is JobState.CONVERTING:
            # What was fetched is all here; from now on that counts which is made of it.
            self.meter, (done, total) = SpeedMeter(), self.worked
            changes["progress"] = Progress(done=done, total=total)
        return self._evolve(self.members.values(), state=state, **changes)

    def measure(self, now: float) -> bool:
        """Take the part's progress, and what is waited for, over to the members; whether that is new."""
        new = self.shown
        if self.part is not None and self.state in (JobState.FETCHING, JobState.VERIFYING):
            new["progress"] = self.meter.measure(now=now, done=self.part.received, total=self.part.total)
        elif self.state is JobState.CONVERTING:
            done, total = self.worked
            new["progress"] = self.meter.measure(now=now, done=done, total=total)
        changed = any(getattr(d, name) != value for d in self.members.values() for name, value in new.items())
        if changed:
            self._evolve(self.members.values(), **new)
        return changed

    def _evolve(self, downloads: Iterable[Download], **changes: object) -> tuple[Download, ...]:
        changed = tuple(download.evolve(**changes) for download in downloads)
        self.members.update({download.order.job_id: download for download in changed})
        return changed


class FlightWatch:
    """Lets a flight show what its fetch does."""

    def __init__(self, flight: Flight, enter: Callable[[Flight, JobState], Awaitable[None]]) -> None:
        self._flight = flight
        self._enter = enter

    async def entered(self, state: JobState) -> None:
        await self._enter(self._flight, state)

    def waiting(self, waiting: Waiting) -> None:
        self._flight.waiting = waiting

    def opened(self, part: Part) -> None:
        self._flight.part = part

    def worked(self, done: int, total: int) -> None:
        self._flight.worked = (done, total)

    def publishing(self) -> None:
        self._flight.publishing = True
