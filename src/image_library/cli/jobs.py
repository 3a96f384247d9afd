"""``jobs``: downloads and other long work."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.completion import complete_images
from image_library.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Downloads and other long work.")
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id; 'jobs list' shows it.")]


@command(app, "list")
def list_jobs(
    session: Session,
    active: Annotated[bool, typer.Option("--active", help="Only jobs that have not ended.")] = False,
    image: Annotated[
        str,
        typer.Option("--image", metavar="IMAGE", help="Only this image's.", autocompletion=complete_images),
    ] = "",
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="Only this node's.")] = "",
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind", metavar="KIND", help="import, download, upload, place, ...; may be given several times."
        ),
    ] = None,
) -> None:
    """List jobs, newest first."""
    from image_library.cli.job_views import job_rows, jobs_of
    from image_library.cli.lookup import the_image, the_node
    from image_library.cli.output import as_json
    from limiquantix.storage.v1.image_pb import ListJobsRequest

    wanted = ListJobsRequest(active_only=active, kinds=kind or [])
    wanted.image_id = the_image(session.library, image).id if image else ""
    wanted.node_id = the_node(session.library, node) if node else ""
    jobs = list(jobs_of(session.library, wanted))
    if session.json:
        session.out.document({"jobs": [as_json(job) for job in jobs]})
        return
    columns = ("JOB", "KIND", "IMAGE", "STAGE", "DONE", "STARTED", "")
    session.out.table(columns, job_rows(jobs), empty="There are no jobs.")


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


@command(app, "retry")
def retry_job(
    session: Session,
    job: JobArgument,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start it; 'jobs watch' follows it.")
    ] = False,
) -> None:
    """Do what a failed or cancelled job was to do. Asking twice makes one new job."""
    from image_library.cli.output import as_json
    from image_library.cli.progress import described, follow
    from limiquantix.storage.v1.image_pb import RetryImportRequest

    status = session.library.images.retry_import(RetryImportRequest(job_id=job))
    if not no_wait:
        status = follow(session.library, status.job_id, session.out)
    if session.json:
        session.out.document(as_json(status))
    else:
        session.out.line(status.job_id if no_wait else described(status))


@command(app, "explain")
def explain_job(session: Session, job: JobArgument) -> None:
    """Say in words what a job does, what it waits for, and what comes next."""
    from image_library.cli.job_views import explanation_lines
    from image_library.cli.output import as_json
    from limiquantix.storage.v1.image_pb import ExplainJobRequest

    said = session.library.images.explain_job(ExplainJobRequest(job_id=job))
    if session.json:
        session.out.document(as_json(said))
        return
    for line in explanation_lines(said):
        session.out.line(line)
