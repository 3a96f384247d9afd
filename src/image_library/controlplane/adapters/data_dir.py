"""The control plane's directory: made private, held by one process, with the tokens that are made in it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from image_library.domain.errors import DataDirBusy, StorageFull, StoreNotWritable

_LOCK = "controlplane.lock"
_TOKEN_BYTES = 32


@contextmanager
def held_data_dir(path: Path) -> Generator[Path]:
    """The directory, made when missing and held against other control planes until the end.

    Raises:
        DataDirBusy: another control plane holds it.
        StoreNotWritable: it cannot be made or written.
    """
    with translated(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataDirBusy(f"Another control plane runs in {path}.") from error
        yield path
    finally:
        os.close(lock)


def kept_token(path: Path) -> str:
    """The token in this file; 256 random bits, for the owner's eyes only, are put there at the first start.

    Raises:
        StoreNotWritable: the file can be neither read nor made.
    """
    with translated(path):
        try:
            return _made(path)
        except FileExistsError:
            return _read(path)


def _made(path: Path) -> str:
    """A new token in a new file. It appears whole: a half-written secret would lock its owner out."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    token = secrets.token_hex(_TOKEN_BYTES)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(handle)
        # Unlike a rename, a link never replaces a token that is there.
        path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    return token


def _read(path: Path) -> str:
    token = path.read_text().strip()
    if not token:
        raise StoreNotWritable(
            f"{path} is empty.", remedy="Remove it; a new token is made at the next start."
        )
    return token


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Errors of the file system as StoreNotWritable and StorageFull."""
    try:
        yield
    except FileExistsError:
        raise StoreNotWritable(f"{path} is not a directory.") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"There is no space left for {path}.") from error
        raise StoreNotWritable(f"{path} cannot be used: {error.strerror}.") from error
