"""``jobs``: downloads and other long work."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from image_library.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Downloads and other long work.")
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id; 'jobs list' shows it.")]


@command(app, "list")
def list_jobs(
    session: Session,
    active: Annotated[bool, typer.Option("--active", help="Only jobs that have not ended.")] = False,
) -> None:
    """List jobs, newest first."""
    from image_library.cli.clients import PAGE, pages
    from image_library.cli.output import as_json
    from image_library.cli.progress import failure
    from image_library.cli.words import ago
    from limiquantix.storage.v1.image_pb import ListJobsRequest

    images = session.library.images
    answers = pages(
        lambda token: images.list_jobs(ListJobsRequest(active_only=active, page_size=PAGE, page_token=token))
    )
    jobs = list(chain.from_iterable(answer.jobs for answer in answers))
    if session.json:
        session.out.document({"jobs": [as_json(job) for job in jobs]})
        return
    rows = [
        (
            job.job_id,
            job.name or job.catalog_id,
            job.stage,
            f"{job.progress_percent} %",
            ago(job.created_at),
            str(failure(job) or job.waiting_for),
        )
        for job in jobs
    ]
    session.out.table(("JOB", "IMAGE", "STAGE", "DONE", "STARTED", ""), rows, empty="There are no jobs.")


@command(app, "watch")
def watch_job(session: Session, job: JobArgument) -> None:
    """Follow a job until it ends. Fails when the job fails."""
    from image_library.cli.output import as_json
    from image_library.cli.progress import described, follow

    status = follow(session.library, job, session.out)
    if session.json:
        session.out.document(as_json(status))
    else:
        session.out.line(described(status))


@command(app, "cancel")
def cancel_job(session: Session, job: JobArgument) -> None:
    """Cancel a job. What it has fetched is kept for the next try."""
    from image_library.cli.output import as_json
    from image_library.cli.progress import described
    from limiquantix.storage.v1.image_pb import CancelImportRequest

    status = session.library.images.cancel_import(CancelImportRequest(job_id=job))
    if session.json:
        session.out.document(as_json(status))
    else:
        session.out.line(described(status))
