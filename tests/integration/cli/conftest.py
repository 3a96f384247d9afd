"""The command line against a server of the real services with a small library in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from image_library.cli.__main__ import run
from tests.fakes.server import TOKEN, FakeLibrary, Running, application


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ended]


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty home and nothing of ours in the environment."""
    for name in [
        name for name in os.environ if name.startswith("LIMIQUANTIX_") and name != "LIMIQUANTIX_DEBUG"
    ]:
        monkeypatch.delenv(name)
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    return place


@pytest.fixture
def data_dir(home: Path) -> Path:
    return home / "data"


@pytest.fixture
def server(library: FakeLibrary, data_dir: Path) -> Iterator[str]:
    """A server that runs on the data directory, as ``up`` leaves its traces there."""
    with Running(application(library)) as url:
        data_dir.mkdir()
        (data_dir / "token").write_text(f"{TOKEN}\n")
        (data_dir / "server.json").write_text(json.dumps({"url": url, "pid": os.getpid()}))
        yield url


@pytest.fixture
def cli(server: str, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command against the server."""

    def call(*words: str) -> Ended:
        capsys.readouterr()
        code = run(["--data-dir", str(data_dir), *words])
        told = capsys.readouterr()
        return Ended(code=code, out=told.out, err=told.err)

    return call
