"""Where built images lie: outside the repository, one folder per hash of everything that made them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parents[1]


def folder_of_images() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "limiquantix-tests" / "images"


def key_of(*choices: str) -> str:
    """The hash of the recipe's files and of the given choices: a change of either makes another image."""
    seen = hashlib.sha256(repr(choices).encode())
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc" and path.name != "packages.txt":
            seen.update(f"{path.relative_to(HERE)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return seen.hexdigest()[:16]


def find_or_make(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The file "name" of the folder "key"; when it is missing, "make" is given a new folder to put it in.

    The finished folder appears by one rename. Of two that ask at once, the second waits for the first.
    """
    images = folder_of_images()
    images.mkdir(parents=True, exist_ok=True)
    finished = images / key
    with locked(images / f"{key}.lock"):
        if not (finished / name).is_file():
            unfinished = images / f"{key}.part"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(finished)
    return finished / name


@contextmanager
def locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
