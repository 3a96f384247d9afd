"""What becomes of images: ``images versions``, ``usage``, ``adopt``, ``delete`` and ``gc``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from image_library.cli.images import ImageArgument, app
from image_library.cli.session import Session, YesOption, command, confirm

# Disks are copied, and nodes look through their stores: hours are possible, silence is no fault.
PATIENCE = 6 * 3600.0


class Cascade(StrEnum):
    FLATTEN = "flatten"


@command(app, "versions")
def list_versions(session: Session, image: ImageArgument) -> None:
    """List every version of an image's name, the newest first."""
    from image_library.cli.image_life_views import VERSIONS, version_rows
    from image_library.cli.lookup import the_image, versions_of
    from image_library.cli.output import as_json

    found = versions_of(session.library, the_image(session.library, image))
    if session.json:
        session.out.document({"images": [as_json(version) for version in found]})
        return
    session.out.table(VERSIONS, version_rows(found), empty="There are no versions.")


@command(app, "usage")
def show_usage(session: Session, image: ImageArgument) -> None:
    """Show what needs an image: the VMs that are built on it, jobs that bring it, and its other versions."""
    from image_library.cli.image_life_views import USERS, usage_facts, user_rows
    from image_library.cli.lookup import node_names, the_image
    from image_library.cli.output import as_json
    from limiquantix.storage.v1.image_pb import GetImageUsageRequest

    found = the_image(session.library, image)
    usage = session.library.images.get_image_usage(GetImageUsageRequest(image=found.id))
    if session.json:
        session.out.document(as_json(usage))
        return
    session.out.facts(usage_facts(found, usage))
    session.out.table(USERS, user_rows(usage, node_names(session.library)), empty="No VM is built on it.")


@command(app, "adopt")
def adopt_image(
    session: Session,
    image: ImageArgument,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start it; 'jobs watch' follows it.")
    ] = False,
) -> None:
    """Make a file that you put on a node the library's: hashed, read-only, never changing under a VM."""
    from image_library.cli.lookup import the_image
    from image_library.cli.output import as_json
    from image_library.cli.progress import described, follow
    from limiquantix.storage.v1.image_pb import AdoptImageRequest

    found = the_image(session.library, image)
    job = session.library.images.adopt_image(AdoptImageRequest(image=found.id))
    last = job if no_wait else follow(session.library, job.job_id, session.out)
    if session.json:
        session.out.document(as_json(last))
    elif no_wait:
        session.out.line(job.job_id)
    else:
        session.out.line(described(last))


@command(app, "delete")
def delete_image(
    session: Session,
    image: ImageArgument,
    cascade: Annotated[
        Cascade | None,
        typer.Option("--cascade", help="Stopped VMs that use it get disks of their own first."),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Delete an image from the library and its nodes. One that VMs use is kept."""
    from image_library.cli.lookup import the_image
    from limiquantix.storage.v1.image_pb import DeleteImageRequest

    found = the_image(session.library, image)
    confirm(session, f"Delete the image '{found.name}'?", yes=yes)
    how = DeleteImageRequest.Cascade.FLATTEN if cascade else DeleteImageRequest.Cascade.UNSPECIFIED
    request = DeleteImageRequest(id=found.id, cascade=how, etag=found.etag)
    session.library.patient_images(PATIENCE).delete_image(request)
    if session.json:
        session.out.document({"deleted": {"id": found.id, "name": found.name}})
    else:
        session.out.line(f"Deleted {found.name}.")


@command(app, "gc")
def collect_garbage(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
) -> None:
    """Remove what nothing needs: old parts, nobody's files, dead links, records of what failed long ago."""
    from image_library.cli.image_life_views import GARBAGE, garbage_rows
    from image_library.cli.lookup import node_names
    from image_library.cli.output import as_json
    from image_library.cli.sizes import shown
    from limiquantix.storage.v1.image_pb import CollectGarbageRequest

    answer = session.library.patient_images(PATIENCE).collect_garbage(CollectGarbageRequest(dry_run=dry_run))
    for error in answer.errors:
        session.out.warn(error)
    if session.json:
        session.out.document(as_json(answer))
        return
    rows = garbage_rows(answer.items, node_names(session.library))
    session.out.table(GARBAGE, rows, empty="There is nothing to remove.")
    if rows:
        done = "would be" if dry_run else "were"
        session.out.note(f"{len(rows)} items, {shown(answer.bytes)}, {done} removed.")
