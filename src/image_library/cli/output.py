"""What the command line prints: answers on stdout, everything else on stderr.

With --json stdout carries one JSON document and nothing else. Text from servers and guests is shown
as text: control characters are made visible, and no markup in it is interpreted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from image_library.cli.exit_codes import ExitCode, exit_code
from image_library.domain.errors import LibraryError, printable

if TYPE_CHECKING:
    from protobuf import Message
    from rich.console import Console

# Wide enough that rows of a table in a pipe are never folded.
PIPE_WIDTH = 20_000
# What people copy, and so is never folded.
WHOLE = ("ID", "JOB")


def as_json(message: Message) -> dict[str, Any]:
    """A message as the server's own JSON has it, fields with default values included."""
    return json.loads(message.to_json(always_emit_implicit=True))


def plain(text: str) -> str:
    """``text`` on one line, harmless to a terminal."""
    return printable(text, 2000)


@dataclass(frozen=True, kw_only=True)
class Output:
    json: bool = False

    def document(self, document: Mapping[str, Any]) -> None:
        """The one document of --json."""
        text = json.dumps(document, indent=2, ensure_ascii=not _speaks_unicode(sys.stdout.encoding))
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """One line of the answer, for people."""
        sys.stdout.write(_encodable(plain(text), sys.stdout.encoding) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """One line beside the answer."""
        # A full disk or a reader that left must not keep the answer from being given.
        with suppress(OSError):
            sys.stderr.write(_encodable(plain(text), sys.stderr.encoding) + "\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        self.note(f"warning: {text}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
        """Rows for people; ``empty`` is said (on stderr) when there are none."""
        from rich.table import Table
        from rich.text import Text

        shown = [[Text(plain(cell)) for cell in row] for row in rows]
        if not shown:
            self.note(empty)
            return
        console = stdout_console()
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, no_wrap=column in WHOLE or not console.is_terminal, overflow="fold")
        for row in shown:
            table.add_row(*row)
        if console.is_terminal:
            console.print(table)
            return
        with console.capture() as drawn:
            console.print(table)
        lines = "".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines())
        sys.stdout.write(_encodable(lines, sys.stdout.encoding))
        sys.stdout.flush()

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """One thing in full: a name and a value a line; empty values are left out."""
        shown = [(name, value) for name, value in pairs if value]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"{name:<{width}}  {value}")

    def error(self, error: LibraryError, *, beside: Mapping[str, Any] | None = None) -> ExitCode:
        """One or two sentences on stderr and, with --json, the document of the error."""
        code = exit_code(error)
        self.note(f"error: {error}")
        if self.json:
            facts = {"code": error.code, "message": error.message, "remedy": error.remedy}
            where = {"field": error.field} if error.field else {}
            self.document({**(beside or {}), "error": {**facts, **where, "exitCode": int(code)}})
        return code


def stdout_console() -> Console:
    return _console(stderr=False)


def stderr_console() -> Console:
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def _speaks_unicode(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").startswith("utf")


def _encodable(text: str, encoding: str | None) -> str:
    return text.encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8", "replace")
