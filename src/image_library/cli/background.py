"""A server for ``launch``: the one that runs, else an ``up`` of our own, started in the background."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from image_library.cli import servers
from image_library.cli.clients import Library
from image_library.cli.output import plain
from image_library.cli.places import DataDir
from image_library.cli.session import Session
from image_library.domain.errors import (
    DataDirBusy,
    Internal,
    LibraryError,
    PermissionDenied,
    PortTaken,
    ServerUnreachable,
    StoreNotWritable,
    rebuild,
)

READY_SECONDS = 60.0
STOP_SECONDS = 20.0


def library(session: Session) -> Library:
    """The services of the server that is named or runs; without either, one is started.

    Raises what kept the new server from starting.
    """
    if servers.is_named(session.server_option, os.environ):
        return session.library
    if servers.running_url(session.data_dir) is None:
        session.out.note("No server runs; starting one in the background.")
        url = _started(session.data_dir)
        log = session.data_dir.up_log
        session.out.note(f"Started 'limiquantix up' at {plain(url)}; its log is {plain(str(log))}.")
    return Library(servers.find(session.data_dir, "", os.environ))


def _started(data_dir: DataDir) -> str:
    """The new server's URL. It takes the port of its settings, and any free one when that is taken."""
    try:
        return start(data_dir)
    except PortTaken:
        return start(data_dir, "--listen", "127.0.0.1:0")
    except DataDirBusy:
        # Another launch was quicker and its server is on its way.
        return _awaited(data_dir)


def start(data_dir: DataDir, *options: str) -> str:
    """Starts ``up`` so that it outlives this process and every terminal; its URL once it is ready."""
    command = [
        sys.executable,
        "-m",
        "image_library",
        "up",
        "--data-dir",
        str(data_dir.root),
        "--json",
        *options,
    ]
    with _log(data_dir.up_log) as log:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    told = _first_line(cast("IO[bytes]", started.stdout), time.monotonic() + READY_SECONDS)
    if told.get("event") == "ready" and isinstance(told.get("url"), str):
        return str(told["url"])
    started.terminate()
    raise _failure(told, data_dir)


@dataclass(frozen=True, kw_only=True)
class Stopped:
    url: str
    pid: int


def stop(data_dir: DataDir) -> Stopped:
    """Asks the server on ``data_dir`` to end, and waits until it has.

    Raises ServerUnreachable when none runs, DataDirBusy when it does not end, PermissionDenied when it is
    somebody else's.
    """
    found = servers.running(data_dir)
    if found is None:
        raise ServerUnreachable(f"No server runs on {data_dir.root}.", remedy="There is nothing to stop.")
    url, pid = found
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError:
        message = f"The server with process id {pid} is another user's."
        raise PermissionDenied(message, remedy="Stop it as that user.") from None
    except ProcessLookupError:
        return Stopped(url=url, pid=pid)
    deadline = time.monotonic() + STOP_SECONDS
    while servers.is_alive(pid):
        if time.monotonic() > deadline:
            raise DataDirBusy(f"The server with process id {pid} does not end.", remedy=f"Try: kill -9 {pid}")
        time.sleep(0.05)
    return Stopped(url=url, pid=pid)


def _failure(told: dict[str, Any], data_dir: DataDir) -> LibraryError:
    error = told.get("error")
    if isinstance(error, dict):
        facts = cast("dict[str, Any]", error)
        said, remedy = str(facts.get("message", "")), str(facts.get("remedy", ""))
        return rebuild(str(facts.get("code", "")), said, remedy=remedy)
    return Internal(
        "The server did not start.", remedy=f"Its log is {data_dir.up_log}; 'limiquantix up' shows more."
    )


def _first_line(stream: IO[bytes], deadline: float) -> dict[str, Any]:
    """The first JSON document on ``stream``: one line when all is well, several when it is an error."""
    text = b""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(stream.fileno(), 65536) if ready else b""
        text += chunk
        try:
            document: object = json.loads(text)
        except ValueError:
            if not chunk:
                return {}
            continue
        return cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    return {}


def _awaited(data_dir: DataDir) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        url = servers.running_url(data_dir)
        if url is not None:
            return url
        time.sleep(0.1)
    raise ServerUnreachable(
        f"Another process holds {data_dir.root}, but no server answers there.",
        remedy="Look for a 'limiquantix' process that hangs, or choose another directory with --data-dir.",
    )


def _log(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")
    except OSError as error:
        raise StoreNotWritable(f"{path.parent} cannot be written: {error.strerror}.") from None
