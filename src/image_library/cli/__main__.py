"""The entry point: runs one command and turns whatever ends it into an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from image_library.domain.errors import LibraryError


@runtime_checkable
class Refusal(Protocol):
    """What Typer raises when the command line itself is wrong."""

    exit_code: int

    def format_message(self) -> str: ...


def main(argv: Sequence[str] | None = None) -> None:
    """``limiquantix``. Ends the process with one of the codes of ``exit_codes``."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        # Asked for by scripts and health checks: not worth building the command tree.
        from image_library import __version__

        sys.stdout.write(f"limiquantix {__version__}\n")
        sys.exit(0)
    sys.exit(run(words))


def run(words: Sequence[str]) -> int:
    """Runs one command; its exit code."""
    from typer import Abort

    from image_library.cli.app import NAME, build
    from image_library.cli.exit_codes import ExitCode
    from image_library.cli.output import Output

    # Before anything is parsed one cannot know better where --json stands; after "--" it is not ours.
    own = words[: words.index("--")] if "--" in words else words
    out = Output(json="--json" in own)
    try:
        code = build()(args=list(words), prog_name=NAME, standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.OK
    except (KeyboardInterrupt, Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:
        if isinstance(error, Refusal) and not error.format_message():
            # Called without a command: the help was printed, and is the answer.
            return ExitCode.INVALID
        if os.environ.get("LIMIQUANTIX_DEBUG"):
            traceback.print_exc()
        return out.error(_ours(error))


def _ours(error: Exception) -> LibraryError:
    """``error`` as one of our own; what should not happen is named, and traced for who asks for it."""
    from image_library.domain.errors import Internal, InvalidRequest, LibraryError, printable

    if isinstance(error, LibraryError):
        return error
    if isinstance(error, Refusal):
        said = printable(error.format_message().rstrip(" ."), 300)
        command = getattr(getattr(error, "ctx", None), "command_path", "limiquantix")
        return InvalidRequest(f"{said}.", remedy=f"See '{command} --help'.")
    if isinstance(error, OSError) and error.strerror:
        where = f" ({printable(str(error.filename))})" if error.filename else ""
        return Internal(f"{error.strerror}{where}.", remedy="Check the machine's disks and permissions.")
    return Internal(
        f"Something unexpected happened: {type(error).__name__}.",
        remedy="Please report it with what LIMIQUANTIX_DEBUG=1 shows.",
    )


def _reader_left() -> int:
    # 'limiquantix ... | head': nothing went wrong, and Python must not complain when it flushes.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    main()
