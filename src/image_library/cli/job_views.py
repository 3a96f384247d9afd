"""Jobs as rows of a table and as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from image_library.cli.clients import PAGE, Library, pages
from image_library.cli.output import plain
from image_library.cli.progress import failure
from image_library.cli.words import ago, at
from limiquantix.storage.v1.image_pb import ImportStatus, JobExplanation, ListJobsRequest, ListJobsResponse


def jobs_of(library: Library, wanted: ListJobsRequest) -> Iterator[ImportStatus]:
    """All jobs that the request asks for, page by page."""

    def ask(token: str) -> ListJobsResponse:
        wanted.page_size, wanted.page_token = PAGE, token
        return library.images.list_jobs(wanted)

    for page in pages(ask):
        yield from page.jobs


def job_rows(jobs: Iterable[ImportStatus]) -> list[Sequence[str]]:
    return [
        (
            job.job_id,
            job.kind,
            job.name or job.catalog_id,
            job.stage,
            f"{job.progress_percent} %",
            ago(job.created_at),
            str(failure(job) or job.waiting_for),
        )
        for job in jobs
    ]


def explanation_lines(said: JobExplanation) -> Iterator[str]:
    yield plain(said.summary)
    if said.waiting_for:
        yield f"Waiting since {at(said.waiting_since)} ({ago(said.waiting_since)})."
    if said.next_try_at is not None:
        yield f"Try {said.attempt} of {said.attempts} begins at {at(said.next_try_at)}."
    if said.next_source:
        yield f"It would fetch next from {plain(said.next_source)}"
    yield ""
    yield from (f"- {plain(step)}" for step in said.steps)
