"""Our own control plane as a process, on the servers' core, over a database that is full already."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import structlog
from sqlalchemy import Connection, Dialect, create_engine

from bench.cores import Running, served
from image_library.controlplane.adapters.database.database import DatabaseRecords, open_database
from image_library.domain.image import Image, ImageFormat, ImagePhase, Placement, PlacementState, Requirements
from image_library.domain.node import Node, NodePhase
from image_library.domain.os_info import OsFamily, OsInfo, ProvisioningMethod
from image_library.domain.trust import Evidence, TrustLevel

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "image_library"
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_NODES = 10
_RELEASES = (("debian", "12"), ("ubuntu", "24.04"), ("fedora", "43"), ("rocky", "9"), ("alpine", "3.22"))


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
        asyncio.run(_fill(draft, images))
        draft.rename(held)
    data_dir.mkdir(mode=0o700)
    shutil.copyfile(held, data_dir / "controlplane.db")


def _form() -> str:
    """Changes with what decides how an image is stored."""
    files = [*(SOURCES / "controlplane/adapters/database").rglob("*.py"), SOURCES / "domain/image.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()[:12]


class _InThisThread:
    """A connection as the adapter awaits one, without another thread for each statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(self, *arguments: Any) -> Any:
        return self._connection.execute(*arguments)


async def _fill(path: Path, images: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    async with open_database(path):
        """Its tables are made."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        records = DatabaseRecords(cast("Any", _InThisThread(connection)))
        for number in range(_NODES):
            await records.nodes.save(_node(number))
        for number in range(images):
            await records.images.save(an_image(number))
    engine.dispose()


def _node(number: int) -> Node:
    return Node(
        id=f"node-{number}",
        hostname=f"node-{number}.example",
        agent_endpoint=f"127.0.0.1:{9000 + number}",
        phase=NodePhase.OFFLINE,
        store_id=f"store-{number}",
        created_at=_BEGAN,
        updated_at=_BEGAN,
    )


def an_image(number: int) -> Image:
    """As a download from the catalogue leaves it: labels, evidence, requirements and two copies."""
    distribution, version = _RELEASES[number % len(_RELEASES)]
    name, made = f"{distribution}-{version}-{number}", _BEGAN + timedelta(minutes=number)
    digest = f"{number:064x}"
    return Image(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"image {number}")),
        name=name,
        description=f"{distribution} {version}, cloud image",
        labels={"team": f"team-{number % 20}", "stage": "production"},
        os=OsInfo(
            family=OsFamily.LINUX,
            distribution=distribution,
            version=version,
            architecture="x86_64",
            default_user=distribution,
            cloud_init_enabled=True,
            provisioning_method=ProvisioningMethod.CLOUD_INIT,
        ),
        requirements=Requirements(min_cpu=1, min_memory_mib=512, min_disk_gib=10),
        format=ImageFormat.QCOW2,
        phase=ImagePhase.READY,
        size_bytes=(400 << 20) + number,
        virtual_size_bytes=3 << 30,
        progress_percent=100,
        digest=f"sha256:{digest}",
        evidence=Evidence(
            level=TrustLevel.CHECKSUM,
            algorithm="sha256",
            expected=digest,
            actual=digest,
            source=f"https://images.example.org/{name}/SHA256SUMS",
            verified_at=made,
            node_id="node-0",
        ),
        placements=tuple(_copy(number, place, name) for place in range(2)),
        created_at=made,
        updated_at=made,
    )


def _copy(number: int, place: int, name: str) -> Placement:
    node = (number + place) % _NODES
    path = f"/var/lib/limiquantix/cloud-images/{name}.qcow2"
    return Placement(
        node_id=f"node-{node}",
        pool_id=f"store-{node}",
        path=path,
        state=PlacementState.READY,
        verified_at=_BEGAN,
    )
