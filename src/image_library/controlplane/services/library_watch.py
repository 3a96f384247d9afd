"""Following the library: one reader of the database for all who watch; each of them gets the latest state.

A watcher that is slow finds in its mailbox what things are now, never how they came to be so; one that is
very slow finds nothing and reads the database itself, from where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.waiting import bell_or_time
from image_library.controlplane.services.watched_vms import CAUSES, VmsInSight, with_vms
from image_library.domain.changes import Changed
from image_library.domain.errors import LibraryError
from image_library.domain.job import Job
from image_library.domain.library_change import Change, ItemKind, Mark

log = structlog.get_logger()

ALL_KINDS = frozenset(ItemKind)
# What is told who names no kinds: what there was before VMs were told.
USUAL_KINDS = ALL_KINDS - {ItemKind.VM}
PAGE = 500
# More than that in a mailbox is read from the database instead.
MOST_IN_A_MAILBOX = 2_000
# How often a job's progress is told that the database does not know yet.
PROGRESS_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """One message: a change, or a mark. To go on later, a watcher names ``sequence``."""

    sequence: int
    what: Change | Mark


@dataclass(eq=False)
class _Mailbox:
    kinds: frozenset[ItemKind]
    bell: Changed = field(default_factory=Changed)
    letters: dict[tuple[ItemKind, str], Change] = field(default_factory=dict[tuple[ItemKind, str], Change])
    # What the letters reach up to; at first the last number before they were asked for.
    sequence: int = 0
    overflowed: bool = False

    def put(self, changes: tuple[Change, ...], sequence: int, *, most: int) -> None:
        for change in changes:
            if change.kind in self.kinds:
                # To the end: letters are read in the order of their last change.
                self.letters.pop(change.key, None)
                self.letters[change.key] = change
        self.sequence = sequence
        if len(self.letters) > most:
            self.letters.clear()
            self.overflowed = True
        self.bell.ring()


class LibraryWatch:
    """Used from one event loop; ``run`` is its one reader, and must run while anybody watches."""

    def __init__(
        self,
        *,
        database: Database,
        runs: DownloadRuns,
        clock: Clock,
        largest_mailbox: int = MOST_IN_A_MAILBOX,
    ) -> None:
        self._database = database
        self._most = largest_mailbox
        self._runs = runs
        self._clock = clock
        self._mailboxes: set[_Mailbox] = set()
        self._arrived = asyncio.Event()
        self._told: dict[str, Job] = {}
        self._vms = VmsInSight()

    @property
    def watchers(self) -> int:
        return len(self._mailboxes)

    async def watch(self, since: int = 0, kinds: frozenset[ItemKind] = ALL_KINDS) -> AsyncGenerator[Said]:
        """All that changed after ``since`` (0: everything), that this was all, and what changes then."""
        mailbox = _Mailbox(kinds, sequence=await self._database.sequence())
        self._mailboxes.add(mailbox)
        self._arrived.set()
        try:
            if await self._is_lost(since):
                yield Said(sequence=0, what=Mark.RESET)
                since = 0
            while True:
                async for said in self._caught_up(since, kinds):
                    since = max(since, said.sequence)
                    yield said
                async for said in self._delivered(mailbox, since):
                    since = max(since, said.sequence)
                    yield said
        finally:
            self._mailboxes.discard(mailbox)

    async def _is_lost(self, since: int) -> bool:
        """Whether what happened since cannot be told: it is forgotten, or was never here."""
        if not since:
            return False
        async with self._database.read() as records:
            return since < await records.changes.horizon() or since > await self._database.sequence()

    async def _caught_up(self, since: int, kinds: frozenset[ItemKind]) -> AsyncGenerator[Said]:
        vms = ItemKind.VM in kinds
        # What a VM is shown by was read with the VM, unless it changed since.
        after = since or await self._database.sequence()
        while True:
            async with self._database.read() as records:
                wanted = kinds | CAUSES if vms else kinds
                found, reached = await records.changes.since(since, wanted, limit=PAGE)
                changes = await with_vms(records, found, after=after, reached=reached) if vms else found
            for change in changes:
                if change.kind in kinds:
                    # Only with its last change a number is whole.
                    yield Said(sequence=since, what=change)
            since = reached
            if not found:
                yield Said(sequence=reached, what=Mark.UP_TO_DATE)
                return

    async def _delivered(self, mailbox: _Mailbox, since: int) -> AsyncGenerator[Said]:
        """What the reader brings, until it was more than the mailbox holds."""
        # Older than what has been read since.
        mailbox.letters = {k: c for k, c in mailbox.letters.items() if c.sequence > since}
        while True:
            await mailbox.bell.wait()
            if mailbox.overflowed:
                mailbox.overflowed = False
                mailbox.letters.clear()
                return
            letters, mailbox.letters = mailbox.letters, {}
            reached = max(since, mailbox.sequence)
            for number, change in enumerate(letters.values(), start=1):
                yield Said(sequence=reached if number == len(letters) else since, what=change)
            since = reached

    async def run(self) -> None:
        """Read what changes and put it into the mailboxes; never ends by itself."""
        with self._database.follow() as changed:
            while True:
                await self._arrived.wait()
                with suppress(LibraryError):
                    await self._read(changed)

    async def _read(self, changed: Changed) -> None:
        position = min(mailbox.sequence for mailbox in self._mailboxes) if self._mailboxes else 0
        while self._mailboxes:
            position = await self._deliver_from(position)
            self._deliver_progress(position)
            pause = PROGRESS_SECONDS if self._runs.live() else None
            await (bell_or_time(changed, self._clock, pause) if pause else self._quiet(changed))
        self._arrived.clear()
        self._told.clear()
        self._vms.forget()

    async def _quiet(self, changed: Changed) -> None:
        """Nothing moves that the bell does not tell; but jobs may begin and watchers leave."""
        await bell_or_time(changed, self._clock, 1.0)

    async def _deliver_from(self, position: int) -> int:
        while await self._database.sequence() > position:
            async with self._database.read() as records:
                changes, position = await records.changes.since(position, ALL_KINDS, limit=PAGE)
                changes = await self._with_vms(records, changes, position)
            self._deliver(changes, position)
        return position

    async def _with_vms(
        self, records: Records, changes: tuple[Change, ...], position: int
    ) -> tuple[Change, ...]:
        if any(ItemKind.VM in mailbox.kinds for mailbox in self._mailboxes):
            return await self._vms.told(records, changes, position)
        self._vms.forget()
        return changes

    def _deliver_progress(self, position: int) -> None:
        live = {job.id: job for job in self._runs.live()}
        moved = tuple(
            Change(sequence=position, kind=ItemKind.JOB, id=job.id, item=job)
            for job in live.values()
            if self._told.get(job.id) is not job
        )
        self._told = live
        if moved:
            self._deliver(moved, position)

    def _deliver(self, changes: tuple[Change, ...], position: int) -> None:
        for mailbox in self._mailboxes:
            mailbox.put(changes, position, most=self._most)
