"""The generated pages of docs/: commands, exit codes and settings, from what the program itself knows.

python -m image_library.cli.reference docs      writes them all
python -m image_library.cli.reference           prints docs/commands.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from image_library.cli import exit_codes
from image_library.cli.app import NAME, build
from image_library.cli.session import EVERYWHERE
from image_library.cli.setting import EVERY_PROGRAM, Setting
from image_library.cli.settings_table import TABLE

MADE = "<!-- Made by `python -m image_library.cli.reference docs`; do not edit. -->"


def commands() -> str:
    """docs/commands.md."""
    root: Any = typer.main.get_command(build())
    parts = [
        "# Commands",
        MADE,
        "`./run ARGS` in a checkout and `limiquantix ARGS` of an installed package are the same. A command "
        "ends with one of the [exit codes](exit-codes.md); errors are one or two sentences on stderr.",
        "## Everywhere",
        "These options stand before or after a command's name.",
        _table(option for option in root.params if _is_shared(option)),
        "With `--json` stdout carries one document: the server's own JSON, fields with default values "
        'included, or `{"error": {"code", "message", "remedy", "exitCode"}}`.',
        *(part for path, command in _leaves(root, (NAME,)) for part in _section(path, command)),
        "## Shell completion",
        f"`{NAME} --install-completion` sets it up for the shell it is called from; "
        f"`{NAME} --show-completion` prints it. Names of images and VMs are completed too.",
    ]
    return "\n\n".join(parts) + "\n"


def codes() -> str:
    """docs/exit-codes.md."""
    parts = [
        "# Exit codes",
        MADE,
        "Every command ends with one of these; every error of [errors.md](errors.md) has exactly one.",
        exit_codes.table(),
        "`vms ssh` ends with the exit status of `ssh` itself.",
    ]
    return "\n\n".join(parts) + "\n"


def settings() -> str:
    """docs/settings.md."""
    parts = [
        "# Settings",
        MADE,
        "A setting comes from its option, else from its environment variable, else from the settings file, "
        "else it has its default. The settings file is `<data-dir>/settings.toml`, or the one that "
        "`--config FILE` names; a key that is not in this table is an error.",
        '```toml\nlisten = "127.0.0.1:8006"\nmirror = "http://mirror.example.lan/images"\n'
        'allow_sources = ["10.20.0.0/16"]\n```',
        "\n".join(
            [
                "| Setting | Option | Variable | Default | Programs | Meaning |",
                "|---|---|---|---|---|---|",
                *(_setting(row) for row in TABLE),
            ]
        ),
        "Lists are separated by commas in a variable and given by repeating the option.",
        _more_settings(),
    ]
    return "\n\n".join(parts) + "\n"


def _more_settings() -> str:
    return "\n".join(
        [
            "Of the command line itself, and of every program:",
            "",
            "| Variable | Meaning |",
            "|---|---|",
            "| `LIMIQUANTIX_DATA_DIR` | The data directory, as `--data-dir`. |",
            "| `LIMIQUANTIX_SERVER` | The server to talk to, as `--server`. |",
            "| `LIMIQUANTIX_TOKEN` | The token to show it, instead of the one in `<data-dir>/token`. |",
            "| `LIMIQUANTIX_CA_FILE` | Authorities that an `https` server is checked with. |",
            "| `LIMIQUANTIX_DEBUG` | Print the trace of an unexpected error. |",
            "| `HTTPS_PROXY`, `http_proxy`, `NO_PROXY` | For fetching images (docs/mirrors.md); "
            "never for calls to a server. |",
            "| `SSL_CERT_FILE` | Authorities for fetching images. |",
        ]
    )


def _setting(row: Setting) -> str:
    programs = "all" if row.programs == EVERY_PROGRAM else ", ".join(f"`{name}`" for name in row.programs)
    option = row.option.replace("|", "\\|")
    cells = (
        f"`{row.name}`",
        f"`{option}`" if option else "",
        f"`{row.variable}`",
        row.default,
        programs,
        row.meaning,
    )
    return f"| {' | '.join(cells)} |"


def _leaves(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, (*path, name))
        else:
            yield (*path, name), command


def _section(path: tuple[str, ...], command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    own = [p for p in command.params if p.param_type_name == "option" and not _is_shared(p)]
    words = [*path, *(_argument(argument) for argument in arguments), *(["[OPTIONS]"] if own else [])]
    yield f"## {' '.join(path[1:])}"
    yield f"    {' '.join(words)}"
    yield " ".join((command.help or "").split())
    if arguments or own:
        yield _table([*arguments, *own])


def _argument(param: Any) -> str:
    name = str(param.metavar or param.name.upper())
    return name if param.required or name.startswith("[") else f"[{name}]"


def _is_shared(param: Any) -> bool:
    return getattr(param, "rich_help_panel", None) == EVERYWHERE


def _table(params: Any) -> str:
    rows = [f"| `{_written(param)}` | {_meaning(param)} |" for param in params]
    return "\n".join(["| | |", "|---|---|", *rows])


def _written(param: Any) -> str:
    if param.param_type_name == "argument":
        return _argument(param)
    value = "" if param.is_flag else f" {param.metavar or param.name.upper()}"
    return ", ".join(param.opts) + value


def _meaning(param: Any) -> str:
    default = param.default
    shown = "" if default in (None, "", False, ()) or param.required else f" Default: {default}."
    return " ".join((param.help or "").split()) + shown


PAGES = {"commands.md": commands, "exit-codes.md": codes, "settings.md": settings}


def main(words: list[str]) -> None:
    if not words:
        sys.stdout.write(commands())
        return
    for name, page in PAGES.items():
        (Path(words[0]) / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
