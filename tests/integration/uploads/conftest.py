"""The real programs in one process, ready to take uploads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Program, environment

UP = ("up", "--json", "--listen", "127.0.0.1:0")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def env(data_dir: Path) -> dict[str, str]:
    return environment(data_dir)


@pytest.fixture
def up(env: dict[str, str]) -> Iterator[Program]:
    with Program.start(UP, env) as program:
        yield program
