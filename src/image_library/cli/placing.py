"""``images place``: what becomes of each node, and where copies are."""

from __future__ import annotations

from collections.abc import Sequence

from image_library.cli.clients import Library
from image_library.cli.lookup import node_names
from image_library.cli.results import settle
from image_library.cli.session import Session
from image_library.domain.errors import LibraryError, rebuild
from limiquantix.storage.v1.image_pb import Image, PlaceImageRequest, PlacementResult

COLUMNS = ("NODE", "OUTCOME", "WHAT", "JOB")


def place(session: Session, request: PlaceImageRequest, *, wait: bool) -> None:
    """Asks, shows what becomes of each node, and follows the jobs if told to. Fails if one is refused."""
    results = session.library.images.place_image(request).results
    if not session.json:
        session.out.table(COLUMNS, [_row(result) for result in results], empty="No node is meant.")
    settle(
        session,
        results,
        jobs=[result.job_id for result in results if result.job_id],
        refused=_refused(results),
        wait=wait,
        hosts={result.node_id: result.hostname for result in results},
    )


def copies(library: Library, image: Image) -> str:
    """The host names of the nodes that have a copy; "no node" where there is none."""
    if image.status is None or not image.status.placements:
        return "no node"
    names = node_names(library)
    return ", ".join(sorted(names.get(p.node_id, p.node_id) for p in image.status.placements))


def _row(result: PlacementResult) -> Sequence[str]:
    return (result.hostname or result.node_id, result.outcome, result.error_message, result.job_id)


def _refused(results: Sequence[PlacementResult]) -> LibraryError | None:
    """The first node that cannot take it."""
    return next((rebuild(r.error_code, r.error_message) for r in results if r.error_code), None)
