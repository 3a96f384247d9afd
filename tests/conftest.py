"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres import Server, server_or_skip

# As in programs.py: gRPC's fork handlers may crash a child between fork and exec. Read when gRPC is imported.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# How long an example takes says something about the machine only: others may be busy on it.
settings.register_profile(
    "ours", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("ours")


@pytest.fixture(scope="session")
def postgres() -> Generator[Server]:
    """A PostgreSQL server, or the reason why there is none."""
    yield from server_or_skip()
