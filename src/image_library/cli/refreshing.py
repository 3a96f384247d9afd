"""``images refresh``: what publishers have that is newer, and its downloads."""

from __future__ import annotations

from collections.abc import Sequence

from image_library.cli.results import settle
from image_library.cli.session import Session
from image_library.domain.errors import LibraryError, rebuild
from limiquantix.storage.v1.image_pb import RefreshImagesRequest, RefreshResult

COLUMNS = ("IMAGE", "ARCHITECTURE", "OUTCOME", "WHAT", "JOB")


def refresh(session: Session, request: RefreshImagesRequest, *, wait: bool) -> None:
    """Asks, shows what came out, and follows the downloads if told to. Fails when one of them fails."""
    results = session.library.publishers.refresh_images(request).results
    if not session.json:
        empty = "No image of the catalog is here."
        session.out.table(COLUMNS, [_row(result) for result in results], empty=empty)
    jobs = [result.job_id for result in results if result.job_id]
    settle(session, results, jobs=jobs, refused=_refused(results), wait=wait)


def _row(result: RefreshResult) -> Sequence[str]:
    outcome = result.outcome.replace("_", " ")
    return (result.name, result.architecture, outcome, result.message, result.job_id)


def _refused(results: Sequence[RefreshResult]) -> LibraryError | None:
    """The first download that could not be begun."""
    for result in results:
        if result.outcome == "newer" and result.error_code:
            return rebuild(result.error_code, f"{result.name}: {result.message}")
    return None
