"""Names for shell completion: the server's, when it answers at once; the built-in catalog's otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

import typer

from image_library.cli.session import Session

# A shell that hangs at TAB is worse than one that completes nothing.
PATIENCE = 0.7


def complete_images(ctx: typer.Context, incomplete: str) -> list[str]:
    """Images that are here and ids of the catalog."""
    return _starting(incomplete, [*_asked(ctx, "images"), *_catalog(ctx)])


def complete_catalog(ctx: typer.Context, incomplete: str) -> list[str]:
    return _starting(incomplete, _catalog(ctx))


def complete_vms(ctx: typer.Context, incomplete: str) -> list[str]:
    return _starting(incomplete, _asked(ctx, "vms"))


def _catalog(ctx: typer.Context) -> list[str]:
    return _asked(ctx, "catalog") or _built_in()


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _asked(ctx: typer.Context, what: str) -> list[str]:
    """The server's names. Whatever goes wrong, a completion stays silent."""
    from image_library.cli import servers
    from image_library.cli.clients import Library
    from image_library.cli.lookup import all_images, all_vms, catalog
    from image_library.domain.errors import LibraryError

    given = Session(
        data_dir_option=ctx.params.get("data_dir"), server_option=ctx.params.get("server") or ""
    ).over(ctx.obj if isinstance(ctx.obj, Session) else Session())
    try:
        server = servers.find(given.data_dir, given.server_option, os.environ)
        library = Library(replace(server, patience=PATIENCE))
        if what == "catalog":
            return [entry.id for entry in catalog(library)]
        return [thing.name for thing in (all_vms(library) if what == "vms" else all_images(library))]
    except LibraryError:
        return []


def _built_in() -> list[str]:
    from image_library.catalog.loader import load_catalog
    from image_library.domain.errors import LibraryError

    try:
        return list(load_catalog().ids)
    except LibraryError:
        return []
