"""Each contract is held against every adapter that claims to fulfil it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from image_library.controlplane.adapters.database.database import open_database
from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.ports.records import Database


@pytest.fixture(params=["memory", "sqlite"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Database]:
    if request.param == "memory":
        yield MemoryDatabase()
    else:
        async with open_database(tmp_path / "controlplane.db") as opened:
            yield opened
