"""What end-to-end tests stand on: a genuine image behind a loopback mirror, and an empty data directory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guest, publisher
from tests.support.guest import KeyPair
from tests.support.libvirtd import Libvirtd, libvirtd_or_skip
from tests.support.mirror import Mirror
from tests.support.processes import end_processes_of
from tests.support.publisher import Publication

# Booting an emulated guest takes most of a minute, and the first test may have the image built before.
SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def debian_image() -> Path:
    return publisher.debian_image()


@pytest.fixture(scope="session")
def debian(debian_image: Path) -> Publication:
    """Debian 12 as the catalogue knows it: addresses, digest and checksum file."""
    return publisher.publication(debian_image)


@pytest.fixture
def mirror(tmp_path: Path, debian: Publication) -> Iterator[Mirror]:
    """A mirror that publishes Debian 12, for one test: its log is empty and its faults are the test's own."""
    with Mirror(tmp_path / "mirror") as mirror:
        debian.put_on(mirror)
        yield mirror


@pytest.fixture(scope="module")
def shared_mirror(tmp_path_factory: pytest.TempPathFactory, debian: Publication) -> Iterator[Mirror]:
    """A mirror that publishes Debian 12, for the tests of a module that share one guest."""
    with Mirror(tmp_path_factory.mktemp("mirror")) as mirror:
        debian.put_on(mirror)
        yield mirror


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return guest.make_key_pair(tmp_path_factory.mktemp("key"))


@pytest.fixture
def libvirtd() -> Iterator[Libvirtd]:
    with tempfile.TemporaryDirectory(prefix="lv-") as root:
        yield from libvirtd_or_skip(Path(root))


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory that does not exist yet. What a test leaves running for it is ended afterwards."""
    yield from _data_dir()


@pytest.fixture(scope="module")
def shared_data_dir() -> Iterator[Path]:
    """The same for the tests of a module that share one server or guest."""
    yield from _data_dir()


def _data_dir() -> Iterator[Path]:
    # Not pytest's own folder: its long names leave no room for a UNIX socket's path (108 bytes, unix(7)).
    with tempfile.TemporaryDirectory(prefix="lq-") as folder:
        data_dir = Path(folder) / "data"
        try:
            yield data_dir
        finally:
            end_processes_of(data_dir)
