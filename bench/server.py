"""Our own control plane as a process, on the servers' core, over a database that is full already."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from bench.cores import Running, served
from tests.support.full_library import fill

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "image_library"


@dataclass(frozen=True, kw_only=True)
class Server(Running):
    token: str


@contextmanager
def serving(data_dir: Path) -> Generator[Server]:
    """One worker process, until the block is left."""
    command = [sys.executable, "-m", "image_library", "controlplane", "--json"]
    command += ["--data-dir", str(data_dir), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        served(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            sys.exit("The control plane did not start.")
        port = int(json.loads(line)["url"].rpartition(":")[2])
        yield Server(port=port, pid=process.pid, token=(data_dir / "token").read_text().strip())
    finally:
        process.terminate()
        process.communicate(timeout=30)


def filled(data_dir: Path, images: int, cache: Path) -> None:
    """A data directory whose library has so many images. They are made once for each form of the database."""
    held = cache / f"library-{images}-{_form()}.db"
    if not held.exists():
        print(f"filling the library with {images} images, once; it takes minutes", file=sys.stderr)
        cache.mkdir(parents=True, exist_ok=True)
        draft = held.with_suffix(".draft")
        for old in cache.glob(f"library-{images}-*"):
            old.unlink()
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
        fill(draft, images)
        draft.rename(held)
    data_dir.mkdir(mode=0o700)
    shutil.copyfile(held, data_dir / "controlplane.db")


def _form() -> str:
    """Changes with what decides how an image is stored."""
    files = [*(SOURCES / "controlplane/adapters/database").rglob("*.py"), SOURCES / "domain/image.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()[:12]
