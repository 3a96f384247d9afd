"""What a job does, said in words: how far it is, what it waits for, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from image_library.domain.errors import printable
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.origin import shown_url
from image_library.domain.progress import Tries
from image_library.domain.store import DownloadOrder

_WHAT = {
    JobKind.DOWNLOAD: "downloads {image} to {node}",
    JobKind.IMPORT: "imports {image} to {node}",
    JobKind.UPLOAD: "takes the upload of {image} to {node}",
    JobKind.PLACE: "copies {image} to {node}",
    JobKind.ADOPT: "adopts {image} on {node}",
    JobKind.CONVERT: "converts {image} on {node}",
    JobKind.PROVE: "boots a throw-away VM of {image} on {node}",
    JobKind.CAPTURE: "makes {image} from a VM on {node}",
}
_NOW = {
    JobState.QUEUED: "It has not begun.",
    JobState.FETCHING: "It fetches the bytes.",
    JobState.VERIFYING: "It compares the bytes with what is known of them.",
    JobState.INSPECTING: "It looks whether the bytes are a safe image.",
    JobState.CONVERTING: "It converts the image.",
    JobState.PUBLISHING: "It makes the image durable and lists it.",
    JobState.PROVING: "Its VM boots.",
    JobState.READY: "It has ended well.",
    JobState.FAILED: "It has failed.",
    JobState.CANCELLED: "It was cancelled.",
}
# The way of a job; nothing is fetched to convert what is there, and much need not be converted.
_WAY = (
    JobState.QUEUED,
    JobState.FETCHING,
    JobState.VERIFYING,
    JobState.INSPECTING,
    JobState.CONVERTING,
    JobState.PUBLISHING,
    JobState.PROVING,
)
_FETCHED = frozenset({JobState.QUEUED, JobState.FETCHING})


@dataclass(frozen=True, kw_only=True)
class Explanation:
    job_id: str
    summary: str
    # What has happened and what comes next, oldest first.
    steps: tuple[str, ...]
    waiting_for: str = ""
    waiting_since: datetime | None = None
    tries: Tries = Tries()
    # Where it would fetch from next, without what could be a secret; empty where nothing is to be fetched.
    next_source: str = ""


def explain(job: Job, order: DownloadOrder, *, node: str, retried_by: str = "") -> Explanation:
    """The job in words; ``node`` is its node's name, ``retried_by`` the job that repeats it."""
    what = _WHAT[job.kind].format(image=f"'{job.image_name}'", node=node)
    sentences = [f"Job {job.id} {what}.", _NOW[job.state]]
    if job.failure is not None and job.state is JobState.FAILED:
        sentences.append(job.failure.message)
    if job.waiting_for:
        sentences.append(f"It waits for: {_stop(job.waiting_for)}")
    if job.tries.attempts:
        sentences.append(f"Try {job.tries.attempt} of {job.tries.attempts}.")
    return Explanation(
        job_id=job.id,
        summary=" ".join(sentences),
        steps=tuple(_steps(job, order, retried_by)),
        waiting_for=job.waiting_for,
        waiting_since=job.waiting_since,
        tries=job.tries,
        next_source=_next_source(job, order),
    )


def _steps(job: Job, order: DownloadOrder, retried_by: str) -> Iterator[str]:
    again = f" It repeats job {job.retry_of}." if job.retry_of else ""
    yield f"Asked for at {_at(job.created_at)}.{again}"
    if job.progress.done:
        of = f" of {job.progress.total}" if job.progress.total else ""
        yield f"{job.progress.done}{of} bytes are there."
    for at in job.stages:
        yield f"{at.seconds:g} s after power-on: {at.stage}."
    if job.waiting_for and job.waiting_since:
        yield f"Since {_at(job.waiting_since)} it waits for: {_stop(job.waiting_for)}"
    if job.tries.next_at:
        yield f"Try {job.tries.attempt} of {job.tries.attempts} begins at {_at(job.tries.next_at)}."
    if job.state.ended:
        yield from _ending(job, retried_by)
    else:
        yield from _to_come(job, order)


def _ending(job: Job, retried_by: str) -> Iterator[str]:
    yield f"Ended at {_at(job.updated_at)}: {job.state.value}."
    if job.failure is not None:
        yield f"{job.failure.message} {job.failure.remedy}".strip()
    if retried_by:
        yield f"Job {retried_by} repeats it."
    elif job.state is not JobState.READY and job.kind.repeatable:
        yield f"It can be tried again: 'limiquantix jobs retry {job.id}'."


_OF_A_VM = {
    JobState.INSPECTING: "Look what of the VM's own is on its disk.",
    JobState.CONVERTING: "Copy the disk, clean the copy of that, and make an image of it.",
}

_OF_A_RUNNING_VM = {
    JobState.CONVERTING: "Copy the disk, with the VM frozen if it runs; clean the copy; make an image of it.",
}
_BY_ITS_AGENT = {JobState.INSPECTING: "Let the VM's agent remove what is the VM's own."}


def _to_come(job: Job, order: DownloadOrder) -> Iterator[str]:
    proof = _proof(order)
    coming = {
        JobState.FETCHING: f"Fetch {_source(job, order)}." if _source(job, order) else "Take the bytes.",
        JobState.VERIFYING: f"Compare the bytes with {proof}." if proof else "Measure the bytes' sha256.",
        JobState.INSPECTING: f"Look whether it is a safe {order.format.value} image.",
        JobState.CONVERTING: f"Convert it to {order.wanted}, and look at it again.",
        JobState.PUBLISHING: "Make it durable and list it as ready.",
        JobState.PROVING: "Boot a throw-away VM of it, log in, keep what is seen, and remove the VM.",
    }
    coming |= _OF_A_VM if order.capture_vm else {}
    coming |= _OF_A_RUNNING_VM if order.capture_frozen else {}
    coming |= _BY_ITS_AGENT if order.capture_in_guest else {}
    yield f"Now: {_NOW[job.state]}"
    way = [state for state in _WAY if state is job.state or state not in _left_out(order)]
    yield from (f"Next: {coming[state]}" for state in way[way.index(job.state) + 1 :])


def _left_out(order: DownloadOrder) -> frozenset[JobState]:
    if order.prove:
        return frozenset(_WAY) - {JobState.QUEUED, JobState.PROVING}
    if order.convert_digest or order.capture_vm:
        return _FETCHED | {JobState.VERIFYING, JobState.PROVING}
    converts = order.wanted is not None and not order.wanted.fits(order.format)
    return frozenset({JobState.PROVING} if converts else {JobState.CONVERTING, JobState.PROVING})


def _proof(order: DownloadOrder) -> str:
    if order.digest:
        return f"the {order.checksum_algorithm} {order.digest}"
    return f"the checksum file {shown_url(order.checksum_url)}" if order.checksum_url else ""


def _source(job: Job, order: DownloadOrder) -> str:
    if job.kind is JobKind.PLACE and not order.library_digest:
        return "the library's own copy, once there is one"
    if order.library_digest:
        return f"the library's own copy {order.library_digest}"
    return shown_url(order.url) if order.url else ""


def _next_source(job: Job, order: DownloadOrder) -> str:
    if job.state not in _FETCHED or order.prove:
        return ""
    # The checksum file comes first.
    asks = job.state is JobState.QUEUED and job.kind is not JobKind.PLACE and not order.digest
    first = order.checksum_url if asks else ""
    return shown_url(first) if first else _source(job, order)


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _stop(text: str) -> str:
    return f"{printable(text, 300).rstrip('.')}."
