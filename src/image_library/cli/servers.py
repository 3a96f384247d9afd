"""Finding the server: the one named, else the one that runs on the data directory."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from image_library.cli.places import DataDir
from image_library.domain.errors import InvalidSettings, ServerUnreachable, printable

TOKEN_VARIABLE = "LIMIQUANTIX_TOKEN"  # noqa: S105 - a variable's name
SERVER_VARIABLE = "LIMIQUANTIX_SERVER"


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where calls go and how they are allowed. ``patience`` caps every call's silence, in seconds."""

    url: str
    token: str = field(default="", repr=False)
    patience: float = 900.0
    ca_file: str | None = None


def find(data_dir: DataDir, option: str, environ: Mapping[str, str]) -> Server:
    """The server to talk to.

    Raises ServerUnreachable when none is named and none runs on ``data_dir``, InvalidSettings for a
    URL that is none.
    """
    named = option or environ.get(SERVER_VARIABLE, "")
    url = checked_url(named) if named else running_url(data_dir)
    if url is None:
        raise ServerUnreachable(f"No server runs on {data_dir.root}.")
    described = {} if named else _described(data_dir.server_file)
    ca_file = environ.get("LIMIQUANTIX_CA_FILE") or described.get("ca")
    return Server(url=url, token=token(data_dir, environ), ca_file=ca_file)


def is_named(option: str, environ: Mapping[str, str]) -> bool:
    """Whether the user chose a server; if so, none is started for them."""
    return bool(option or environ.get(SERVER_VARIABLE, ""))


def checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise InvalidSettings(
            f"'{printable(url)}' is not a server's URL.",
            remedy="Write http://HOST:PORT or https://HOST:PORT.",
        )
    try:
        _ = parts.port
    except ValueError:
        raise InvalidSettings(f"The port in '{printable(url)}' is none.") from None
    return url.rstrip("/")


def running_url(data_dir: DataDir) -> str | None:
    found = running(data_dir)
    return found[0] if found else None


def running(data_dir: DataDir) -> tuple[str, int] | None:
    """URL and process id in server.json, if it listens there; a killed server leaves the file behind."""
    found = _described(data_dir.server_file)
    url, pid = found.get("url"), found.get("pid")
    if not isinstance(url, str) or not isinstance(pid, int) or pid <= 1 or not is_alive(pid):
        return None
    return (url, pid) if _listens(url) else None


def token(data_dir: DataDir, environ: Mapping[str, str]) -> str:
    """LIMIQUANTIX_TOKEN, else the token file, else none. Never an argument: ps shows those."""
    given = environ.get(TOKEN_VARIABLE, "").strip()
    if given:
        return given
    try:
        return data_dir.token.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _described(path: Path) -> dict[str, Any]:
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def is_alive(pid: int) -> bool:
    """Whether the process still does something: one that ended and that nobody asked about does not."""
    try:
        # proc(5): the state follows the name, which stands in parentheses and may hold anything.
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2):
            return True
    except (OSError, ValueError):
        return False
