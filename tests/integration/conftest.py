"""What integration tests share: a mirror with nothing on it yet, and the genuine image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import publisher
from tests.support.mirror import Mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """An empty loopback mirror: put files on it and arm faults."""
    with Mirror(tmp_path / "mirror") as mirror:
        yield mirror


@pytest.fixture(scope="session")
def debian_image() -> Path:
    """The genuine Debian 12 image; asking for it may take the minute that building it takes."""
    return publisher.debian_image()
