"""The services under test, taken apart after each test."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.fakes.control_plane import Plane


@pytest.fixture
async def plane() -> AsyncGenerator[Plane]:
    made = Plane()
    yield made
    await made.runs.close()
