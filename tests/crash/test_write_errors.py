"""G4: each operation of each walk fails with each error. The right words, nothing lost, nothing left over."""

# Nobody else waits for the loop.
from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import LibraryError
from image_library.domain.job import JobState
from tests.crash.bench import Bench, open_bench
from tests.crash.protocols import NAMED, Protocol, copy, prepare, recovered
from tests.crash.seams import COMMIT, Hook, HookedDisk
from tests.support.sizes import LONG

NO_SPACE, FORBIDDEN, FAILED = "storage.full", "storage.not_writable", "storage.io_error"
ERRORS = {
    "ENOSPC": NO_SPACE,
    "EIO": FAILED,
    "EACCES": FORBIDDEN,
    "EROFS": FORBIDDEN,
    # Python goes on after a real one by itself; one that comes through is an error like others.
    "EINTR": FAILED,
    # Not an error: the rest is written next.
    "short": "",
}
# Every error in a short run too.
THOROUGH = ("download", "adopt", "delete")
_STEP, _LAST = 4, 6
CASES = [
    (name, error)
    for name in NAMED
    for error in ERRORS
    if LONG or name in THOROUGH or error in ("ENOSPC", "EIO")
]


class Fail(Hook):
    """Fails the operation of that number once; counts them."""

    def __init__(self, number: int, error: str) -> None:
        self.count = 0
        self.failed_at = ""
        self._number = number
        self._error = error

    def before(self, operation: str, args: tuple[Any, ...]) -> None:
        self.count += 1
        if self.count - 1 != self._number or self._error == "short":
            return
        self.failed_at = operation
        if operation == COMMIT:
            raise _journal_error(self._error)
        number: int = getattr(errno, self._error)
        raise OSError(number, os.strerror(number))


def _journal_error(error: str) -> sqlite3.OperationalError:
    codes = {
        "ENOSPC": sqlite3.SQLITE_FULL,
        "EACCES": sqlite3.SQLITE_READONLY,
        "EROFS": sqlite3.SQLITE_READONLY,
    }
    failure = sqlite3.OperationalError("made to fail")
    failure.sqlite_errorcode = codes.get(error, sqlite3.SQLITE_IOERR)
    return failure


class ShortDisk(HookedDisk):
    """Each write takes some of the bytes only."""

    def write_some(self, fd: int, data: memoryview, offset: int) -> int:
        return super().write_some(fd, data[: max(4096, len(data) // 8192 * 4096)], offset)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on tmpfs, where there is one."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="limiquantix-errors-", dir=where))
    yield folder
    shutil.rmtree(folder)


async def told(bench: Bench, protocol: Protocol, promised: set[str]) -> str:
    """The code that whoever asked is told; "" where all went well."""
    try:
        await protocol.walk(bench, promised.add)
    except LibraryError as error:
        return error.code
    except AssertionError:
        done = await bench.downloads.status("job-1")
        assert done.state is JobState.FAILED
        assert done.failure is not None
        return done.failure.code
    return ""


async def listed(bench: Bench) -> int:
    return await bench.journal.run(lambda c: len(c.execute("SELECT * FROM published").fetchall()))


async def one(protocol: Protocol, template: Path, data: Path, hook: Fail, error: str) -> None:
    copy(template, data)
    promised: set[str] = set()
    disk = ShortDisk(hook) if error == "short" else HookedDisk(hook)
    try:
        async with open_bench(data, hook, disk=disk) as bench:
            before = await listed(bench)
            code = await told(bench, protocol, promised)
            assert not code or await listed(bench) <= before, "the image is there, and its job failed"
            if error == "EIO" and code and hook.failed_at in ("write_some", "sync", "datasync"):
                query = "SELECT * FROM parts WHERE boot_id <> ''"
                trusted = await bench.journal.run(lambda c: c.execute(query).fetchall())
                assert trusted == [], "bytes that nobody may trust are kept"
    except LibraryError as failure:
        code = failure.code
    assert code in ("", ERRORS[error]), f"told {code}"
    if error == "short":
        assert code == ""
    # Somebody asks anew, as another job, when the disk is well again.
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM downloads WHERE state = 'failed'")
    await recovered(protocol, data, frozenset(promised - {"started"}))
    shutil.rmtree(data)


async def operations(protocol: Protocol, template: Path, data: Path) -> int:
    """How many a walk has that nothing goes wrong with."""
    hook = Fail(-1, "EIO")
    await one(protocol, template, data, hook, "EIO")
    return hook.count


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "error"), CASES)
async def test_each_operation_may_fail(memory: Path, name: str, error: str) -> None:
    protocol, template = NAMED[name], memory / "template"
    await prepare(protocol, template)
    slowly = protocol.slow and not LONG and error != "short"
    # Of a slow walk every fourth, others for each error, and all of those that end it.
    end = await operations(protocol, template, memory / "data") - _LAST if slowly else 0
    number = list(ERRORS).index(error) % _STEP if slowly else 0
    tried = 0
    while True:
        hook = Fail(number, error)
        try:
            await one(protocol, template, memory / "data", hook, error)
        except AssertionError as wrong:
            raise AssertionError(f"{error} at operation {number} ({hook.failed_at}): {wrong}") from wrong
        if error == "short" or hook.count <= number:
            break
        number += _STEP if number + _STEP <= end else 1
        tried += 1
    assert tried > 2 or error == "short"
