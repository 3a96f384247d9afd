"""Commands that one call makes many jobs of: what came out for each item, and the jobs until they end."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from protobuf import Message

from image_library.cli.output import as_json
from image_library.cli.progress import NO_HOSTS, Hosts, described, failure, follow_all
from image_library.cli.session import Session
from image_library.domain.errors import LibraryError
from limiquantix.storage.v1.image_pb import ImportStatus


def settle(
    session: Session,
    results: Sequence[Message],
    *,
    jobs: Sequence[str],
    refused: LibraryError | None,
    wait: bool,
    hosts: Hosts = NO_HOSTS,
) -> None:
    """Follows the jobs if told to, and shows how they ended.

    Fails with ``refused``, the first item that could not even be begun, or else with the first job that
    failed; what came out for the others is shown all the same.
    """
    ended = follow_all(session.library, jobs, session.out, hosts) if wait and jobs else []
    document = {
        "results": [as_json(result) for result in results],
        "jobs": [as_json(status) for status in ended],
    }
    trouble = refused or _first_failure(ended)
    if trouble is not None:
        raise typer.Exit(session.out.error(trouble, beside=document))
    if session.json:
        session.out.document(document)
        return
    for status in ended:
        session.out.line(described(status, hosts))
    if jobs and not wait:
        session.out.note("Watch them: limiquantix jobs list --active")


def _first_failure(ended: Sequence[ImportStatus]) -> LibraryError | None:
    return next((error for status in ended if (error := failure(status))), None)
