"""``images refresh``: what publishers have that is newer, and its downloads."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from image_library.cli.output import as_json
from image_library.cli.progress import described, failure, follow_all
from image_library.cli.session import Session
from image_library.domain.errors import LibraryError, rebuild
from limiquantix.storage.v1.image_pb import ImportStatus, RefreshImagesRequest, RefreshResult

COLUMNS = ("IMAGE", "ARCHITECTURE", "OUTCOME", "WHAT", "JOB")


def refresh(session: Session, request: RefreshImagesRequest, *, wait: bool) -> None:
    """Asks, shows what came out, and follows the downloads if told to. Fails when one of them fails."""
    results = session.library.publishers.refresh_images(request).results
    if not session.json:
        session.out.table(
            COLUMNS, [_row(result) for result in results], empty="No image of the catalog is here."
        )
    jobs = [result.job_id for result in results if result.job_id]
    ended = follow_all(session.library, jobs, session.out) if wait and jobs else []
    document = {
        "results": [as_json(result) for result in results],
        "jobs": [as_json(status) for status in ended],
    }
    trouble = _trouble(results, ended)
    if trouble is not None:
        raise typer.Exit(session.out.error(trouble, beside=document))
    if session.json:
        session.out.document(document)
        return
    for status in ended:
        session.out.line(described(status))
    if jobs and not wait:
        session.out.note("Watch them: limiquantix jobs list --active")


def _row(result: RefreshResult) -> Sequence[str]:
    outcome = result.outcome.replace("_", " ")
    return (result.name, result.architecture, outcome, result.message, result.job_id)


def _trouble(results: Sequence[RefreshResult], ended: Sequence[ImportStatus]) -> LibraryError | None:
    """The first download that failed, or that could not be begun."""
    for result in results:
        if result.outcome == "newer" and result.error_code:
            return rebuild(result.error_code, f"{result.name}: {result.message}")
    return next((error for status in ended if (error := failure(status))), None)
