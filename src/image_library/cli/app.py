"""The command tree. Importing it is cheap: what commands need is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library import __version__
from image_library.cli import (
    catalog,
    images,
    images_convert,
    images_files,
    images_import,
    images_life,
    images_place,
    images_prove,
    images_verify,
    images_words,
    jobs,
    launch,
    nodes,
    profiles,
    serve,
    templates,
    vms,
    vms_create,
    watch,
    web,
)
from image_library.cli.session import DataDirOption, JsonOption, ServerOption, Session

NAME = "limiquantix"
# Rooms whose commands are in a group of another's: importing them adds them.
ROOMS = (
    images_convert,
    images_files,
    images_import,
    images_life,
    images_place,
    images_prove,
    images_verify,
    images_words,
    vms_create,
)


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name=NAME,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Find, fetch, verify and keep operating-system images, and turn them into VMs.",
        epilog="Exit codes: docs/exit-codes.md. Start with: limiquantix launch debian-12",
    )
    app.callback()(_root)
    launch.register(app)
    serve.register(app)
    watch.register(app)
    web.register(app)
    app.add_typer(images.app, name="images")
    app.add_typer(catalog.app, name="catalog")
    app.add_typer(vms.app, name="vms")
    app.add_typer(templates.app, name="templates")
    app.add_typer(profiles.app, name="profiles")
    app.add_typer(nodes.app, name="nodes")
    app.add_typer(jobs.app, name="jobs")
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    data_dir: DataDirOption = None,
    server: ServerOption = "",
    json: JsonOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
    ctx.obj = Session(data_dir_option=data_dir, server_option=server, json=json)
