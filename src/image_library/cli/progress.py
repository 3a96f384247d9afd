"""Following a job: its progress on stderr until it ends, as a bar for people and as lines for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from image_library.cli.output import Output, plain, stderr_console
from image_library.cli.sizes import shown, shown_seconds
from image_library.cli.streams import attended, merged
from image_library.cli.words import state
from image_library.domain.errors import Internal, JobCancelled, LibraryError, ServerUnreachable, rebuild
from limiquantix.storage.v1.image_pb import GetImportStatusRequest, ImportStatus

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from image_library.cli.clients import Library

# A restarted server goes on with its jobs; whoever watches waits this long for it, in seconds.
PATIENCE = 60.0
LINE_SECONDS = 1.0
T = TypeVar("T")
ENDED = (ImportStatus.Status.COMPLETED, ImportStatus.Status.FAILED)
# Host names by node id, for jobs that differ in their nodes only.
Hosts = Mapping[str, str]
NO_HOSTS: Hosts = {}


class View(AbstractContextManager["View"], Protocol):
    def update(self, status: ImportStatus) -> None: ...


def follow(library: Library, job_id: str, out: Output) -> ImportStatus:
    """Shows the job's progress until it ends; its last state.

    Raises what made it fail. Ctrl-C leaves the job running and says how to go on.
    """
    try:
        with chosen_view(out) as view:
            last = _shown(_states(library, job_id, out), view)[job_id]
    except KeyboardInterrupt:
        out.note(f"The job goes on in the background. Watch it: limiquantix jobs watch {job_id}")
        out.note(f"Cancel it: limiquantix jobs cancel {job_id}")
        raise
    failed = failure(last)
    if failed is not None:
        raise failed
    return last


def follow_all(
    library: Library, job_ids: Sequence[str], out: Output, hosts: Hosts = NO_HOSTS
) -> list[ImportStatus]:
    """Shows the progress of several jobs until all have ended, well or not; their last states.

    Ctrl-C leaves them running and says how to go on.
    """
    streams = [_states(library, job_id, out) for job_id in dict.fromkeys(job_ids)]
    try:
        with chosen_view(out, hosts) as view:
            last = _shown(merged(streams), view)
    except KeyboardInterrupt:
        out.note("The jobs go on in the background. See them: limiquantix jobs list --active")
        raise
    return [last[job_id] for job_id in job_ids]


def failure(status: ImportStatus) -> LibraryError | None:
    """Why the job failed; None when it did not."""
    if status.status is not ImportStatus.Status.FAILED:
        return None
    if status.stage == "cancelled" and not status.error_code:
        return JobCancelled(f"Job {plain(status.job_id)} was cancelled.")
    said = plain(status.error_message) or "The job failed."
    return rebuild(status.error_code, said, remedy=plain(status.error_remedy))


def chosen_view(out: Output, hosts: Hosts = NO_HOSTS) -> View:
    return Bar(hosts) if sys.stderr.isatty() and not out.json else Lines(out=out, hosts=hosts)


def _shown(states: Iterator[tuple[str, ImportStatus]], view: View) -> dict[str, ImportStatus]:
    """The last state of each job."""
    last: dict[str, ImportStatus] = {}
    for job_id, status in attended(states):
        last[job_id] = status
        view.update(status)
    return last


def _states(library: Library, job_id: str, out: Output) -> Iterator[tuple[str, ImportStatus]]:
    """The job's states, each with its id, up to its end and over restarts of the server."""
    last: ImportStatus | None = None
    watching = reconnecting(
        lambda: library.images.watch_import(GetImportStatusRequest(job_id=job_id)), out, seconds=PATIENCE
    )
    for status in watching:
        last = status
        yield job_id, status
        if status.status in ENDED:
            return
    raise Internal(f"The server stopped telling about job {plain(job_id)} before it ended: {_stage(last)}.")


def reconnecting(
    connect: Callable[[], Iterator[T]],
    out: Output,
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """What a stream tells, over restarts of its server; one that never answered is not waited for."""
    lost_at: float | None = None
    answered = False
    while True:
        try:
            for item in connect():
                answered, lost_at = True, None
                yield item
            return
        except ServerUnreachable:
            if lost_at is None:
                lost_at = clock()
                if answered:
                    out.note("The connection to the server was lost; waiting for it to come back.")
            if not answered or clock() - lost_at > seconds:
                raise
            sleep(1.0)


def described(status: ImportStatus, hosts: Hosts = NO_HOSTS) -> str:
    """One line: what, stage, percent, bytes, speed and time left."""
    parts = [f"{_called(status, hosts)}: {_stage(status)}"]
    if status.bytes_total:
        parts.append(f"{status.progress_percent} %")
        parts.append(f"{shown(status.bytes_downloaded)} of {shown(status.bytes_total)}")
    elif status.bytes_downloaded:
        parts.append(shown(status.bytes_downloaded))
    if status.boot_stages:
        parts.append(_booted(status))
    if status.download_speed:
        parts.append(f"{shown(status.download_speed)}/s")
    if status.eta_seconds:
        parts.append(f"{shown_seconds(status.eta_seconds)} left")
    if status.waiting_for:
        parts.append(f"waiting: {status.waiting_for}")
    return plain(", ".join(parts))


def _booted(status: ImportStatus) -> str:
    """The last stage that a proof's VM has reached."""
    reached = status.boot_stages[-1]
    return f"{reached.stage} after {reached.seconds:g} s"


def _called(status: ImportStatus, hosts: Hosts) -> str:
    name = status.name or status.catalog_id or status.job_id
    return f"{name} on {hosts[status.node_id]}" if status.node_id in hosts else name


def _stage(status: ImportStatus | None) -> str:
    return (status.stage or state(status.status)) if status is not None else "nothing was told"


def _doing(status: ImportStatus) -> str:
    return f"{_stage(status)}, {_booted(status)}" if status.boot_stages else _stage(status)


@dataclass(kw_only=True)
class Lines:
    """A line at each new stage, and otherwise about one a second."""

    out: Output
    hosts: Hosts = field(default_factory=dict[str, str])
    clock: Callable[[], float] = time.monotonic
    # Of each job, its stages and when something was last said of it.
    _said: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, status: ImportStatus) -> None:
        now = self.clock()
        ended = status.status in ENDED
        stage, said_at = self._said.get(status.job_id, ("", float("-inf")))
        come_to = f"{status.stage} {len(status.boot_stages)}"
        if ended or come_to != stage or now - said_at >= LINE_SECONDS:
            self._said[status.job_id] = (come_to, now)
            self.out.note(described(status, self.hosts))


class Bar:
    """A progress bar for each job; speed and time left are the server's own numbers."""

    def __init__(self, hosts: Hosts = NO_HOSTS) -> None:
        self._hosts = hosts
        self._progress = _bar()
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, status: ImportStatus) -> None:
        if status.job_id not in self._tasks:
            task = self._progress.add_task("", total=None, what="", bytes="", speed="", left="")
            self._tasks[status.job_id] = task
        total = status.bytes_total or None
        self._progress.update(
            self._tasks[status.job_id],
            total=total,
            completed=status.bytes_downloaded,
            what=plain(f"{_called(status, self._hosts)}: {status.waiting_for or _doing(status)}"),
            bytes=f"{shown(status.bytes_downloaded)} / {shown(total)}" if total else "",
            speed=f"{shown(status.download_speed)}/s" if status.download_speed else "",
            left=f"{shown_seconds(status.eta_seconds)} left" if status.eta_seconds else "",
        )


def _bar() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.fields[what]}", markup=False),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %", markup=False),
        TextColumn("{task.fields[bytes]}", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        console=stderr_console(),
        transient=False,
    )
