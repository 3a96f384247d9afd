"""The entry point: runs one command and turns whatever ends it into an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from image_library.cli.output import Output
    from image_library.domain.errors import LibraryError


@runtime_checkable
class Refusal(Protocol):
    """What Typer raises when the command line itself is wrong."""

    exit_code: int

    def format_message(self) -> str: ...


def main(argv: Sequence[str] | None = None) -> None:
    """``limiquantix``. Ends the process with one of the codes of ``exit_codes``."""
    _open_closed_streams()
    # Keys and logs of the command line are this user's alone, and this user can read them.
    os.umask(0o077)
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        # Asked for by scripts and health checks: not worth building the command tree.
        from image_library import __version__

        sys.stdout.write(f"limiquantix {__version__}\n")
        sys.exit(_written(0))
    sys.exit(_written(run(words)))


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
    except SystemExit as ending:
        # How Typer ends when nobody reads any more.
        if isinstance(ending.__context__, BrokenPipeError):
            return _reader_left()
        raise
    except Exception as error:
        if isinstance(error, Refusal) and not error.format_message():
            # Called without a command: the help was printed, and is the answer.
            return ExitCode.INVALID
        if os.environ.get("LIMIQUANTIX_DEBUG"):
            traceback.print_exc()
        return _told(out, _ours(error))


def _told(out: Output, error: LibraryError) -> int:
    """Says what went wrong; where not even that can be written, the exit code has to do."""
    from image_library.cli.exit_codes import exit_code

    try:
        return out.error(error)
    except OSError:
        return exit_code(error)


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


def _written(code: int) -> int:
    """``code``, or a failure when what was printed could not be written to its end."""
    try:
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _reader_left()
        return code
    except OSError as error:
        _reader_left()
        sys.stderr.write(f"error: The answer cannot be written: {error.strerror}.\n" if code == 0 else "")
        return code or 70


def _open_closed_streams() -> None:
    """Streams that the caller has closed ('>&-') lead nowhere, instead of into the next file opened."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
