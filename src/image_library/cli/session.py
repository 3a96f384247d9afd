"""One run of the command line: the options that every command has, and what they lead to."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from image_library.cli import servers
from image_library.cli.clients import Library
from image_library.cli.output import Output, plain
from image_library.cli.places import DataDir

EVERYWHERE = "Everywhere"
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="The data directory. LIMIQUANTIX_DATA_DIR names it too; otherwise /var/lib/limiquantix for root "
        "and ~/.local/share/limiquantix for others.",
        show_default=False,
        rich_help_panel=EVERYWHERE,
    ),
]
ServerOption = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="URL",
        help="The server to talk to. LIMIQUANTIX_SERVER names it too; otherwise the one that runs on the "
        "data directory. Its token is read from LIMIQUANTIX_TOKEN or from the data directory.",
        show_default=False,
        rich_help_panel=EVERYWHERE,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on stdout; progress and messages go to stderr.",
        rich_help_panel=EVERYWHERE,
    ),
]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; only a terminal is asked at all.")]


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a command is given: the options that every command has, resolved."""

    data_dir_option: Path | None = None
    server_option: str = ""
    json: bool = False

    @cached_property
    def out(self) -> Output:
        return Output(json=self.json)

    @cached_property
    def data_dir(self) -> DataDir:
        return DataDir.chosen(self.data_dir_option, os.environ)

    @cached_property
    def library(self) -> Library:
        """The services of the server. Raises ServerUnreachable when there is none."""
        return Library(servers.find(self.data_dir, self.server_option, os.environ))

    def over(self, outer: Session) -> Session:
        """These options, and the ones that were given before the command's name where these are not."""
        return Session(
            data_dir_option=self.data_dir_option or outer.data_dir_option,
            server_option=self.server_option or outer.server_option,
            json=self.json or outer.json,
        )


def confirm(session: Session, question: str, *, yes: bool) -> None:
    """Asks whoever sits at a terminal; scripts have meant what they said. Raises typer.Abort for a no."""
    if yes or session.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    typer.confirm(plain(question), abort=True, err=True)


P = ParamSpec("P")
R = TypeVar("R")
_SHARED = (("data_dir", DataDirOption, None), ("server", ServerOption, ""), ("json", JsonOption, False))


def command(
    app: typer.Typer, name: str, *, without: tuple[str, ...] = (), **settings: Any
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Registers a command that is given a Session first; the shared options are added to its own.

    So they may stand before or after the command's name. ``without`` leaves out those of no use to it.
    """
    shared = [s for s in _SHARED if s[0] not in without]

    def register(
        function: Callable[Concatenate[Session, P], None],
    ) -> Callable[Concatenate[Session, P], None]:
        def run(ctx: typer.Context, **given: Any) -> None:
            inner = Session(
                data_dir_option=given.pop("data_dir", None),
                server_option=given.pop("server", ""),
                json=given.pop("json", False),
            )
            outer = ctx.obj if isinstance(ctx.obj, Session) else Session()
            call: Any = function
            call(inner.over(outer), **given)

        _sign(run, function, shared)
        app.command(name, **settings)(run)
        return function

    return register


def _sign(run: Any, function: Callable[..., None], shared: list[tuple[str, Any, Any]]) -> None:
    """Gives ``run`` the parameters that Typer shall see: the function's own and the shared ones."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(n, keyword, default=d, annotation=a) for n, a, d in shared]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *(p.replace(kind=keyword) for p in own), *added])
    run.__annotations__ = {p.name: p.annotation for p in run.__signature__.parameters.values()}
    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
