"""Each contract is held against every adapter that claims to fulfil it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from image_library.controlplane.adapters.database.database import open_database
from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.ports.records import Database
from tests.support.postgres import Server


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Database]:
    if request.param == "memory":
        yield MemoryDatabase()
        return
    where = (
        tmp_path / "controlplane.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )
    async with open_database(where) as opened:
        yield opened


@pytest.fixture
def postgres_url(postgres: Server) -> Generator[str]:
    """An empty database of its own."""
    with postgres.database() as url:
        yield url
