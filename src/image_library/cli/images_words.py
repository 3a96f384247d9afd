"""What is said of an image: ``images set``, ``protect``, ``hide``, ``deprecate`` and their opposites."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from image_library.cli.images import ImageArgument, app
from image_library.cli.session import Session, command


class VisibleTo(StrEnum):
    PRIVATE = "private"
    PROJECT = "project"
    PUBLIC = "public"


@command(app, "set")
def set_image(
    session: Session,
    image: ImageArgument,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it is; empty for nothing.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="May be given again.")
    ] = None,
    unlabel: Annotated[
        list[str] | None, typer.Option("--unlabel", metavar="KEY", help="Takes a label away.")
    ] = None,
    visibility: Annotated[
        VisibleTo | None, typer.Option("--visibility", help="Which projects may make VMs from it.")
    ] = None,
    share: Annotated[
        list[str] | None, typer.Option("--share", metavar="PROJECT", help="One more project that may use it.")
    ] = None,
    unshare: Annotated[
        list[str] | None, typer.Option("--unshare", metavar="PROJECT", help="One that may not any more.")
    ] = None,
    rename: Annotated[
        str, typer.Option("--rename", metavar="NAME", help="The new name, of all its versions.")
    ] = "",
) -> None:
    """Change what is said of an image. A name is every version's; all else is this version's."""
    from image_library.cli.image_changes import changes_of, update

    wanted = changes_of(
        description=description,
        labels=label or [],
        unlabels=unlabel or [],
        visibility=visibility.value if visibility else "",
        shares=share or [],
        unshares=unshare or [],
        name=rename,
    )
    update(session, image, wanted)


@command(app, "protect")
def protect_image(session: Session, image: ImageArgument) -> None:
    """Keep an image from being deleted, pruned or taken from a node."""
    _say(session, image, protected=True)


@command(app, "unprotect")
def unprotect_image(session: Session, image: ImageArgument) -> None:
    """Let a protected image go again."""
    _say(session, image, protected=False)


@command(app, "hide")
def hide_image(session: Session, image: ImageArgument) -> None:
    """Leave an image out of lists. By its name it is used as before."""
    _say(session, image, hidden=True)


@command(app, "unhide")
def unhide_image(session: Session, image: ImageArgument) -> None:
    """Show a hidden image in lists again."""
    _say(session, image, hidden=False)


@command(app, "deprecate")
def deprecate_image(
    session: Session,
    image: ImageArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it should not be used.")] = "",
    replacement: Annotated[
        str, typer.Option("--replacement", metavar="IMAGE", help="What to use instead.")
    ] = "",
) -> None:
    """Warn everybody who makes a VM from an image, and say what to use instead."""
    from limiquantix.storage.v1.image_pb import Deprecation

    _say(session, image, deprecation=Deprecation(deprecated=True, reason=reason, replacement=replacement))


@command(app, "undeprecate")
def undeprecate_image(session: Session, image: ImageArgument) -> None:
    """Take a deprecation back."""
    _say(session, image, deprecation=None)


def _say(session: Session, image: str, **values: Any) -> None:
    from image_library.cli.image_changes import update

    update(session, image, lambda _: values)
