from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.libvirtd import Libvirtd, libvirtd_or_skip


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[Libvirtd]:
    # Its sockets' paths may not be long.
    with TemporaryDirectory(prefix="lv") as root:
        yield from libvirtd_or_skip(Path(root))
