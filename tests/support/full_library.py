"""A library that is full before its program starts: written into the database, as fast as that takes it."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, create_engine

from image_library.controlplane.adapters.database.database import DatabaseRecords, open_database
from image_library.domain.image import Image, ImageFormat, ImagePhase, Placement, PlacementState, Requirements
from image_library.domain.node import Node, NodePhase
from image_library.domain.os_info import OsFamily, OsInfo, ProvisioningMethod
from image_library.domain.trust import Evidence, TrustLevel

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_NODES = 10
_TOGETHER = 100
_RELEASES = (("debian", "12"), ("ubuntu", "24.04"), ("fedora", "43"), ("rocky", "9"), ("alpine", "3.22"))


class _InThisThread:
    """A connection as the adapter awaits one, without another thread for each statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(self, *arguments: Any) -> Any:
        return self._connection.execute(*arguments)


def fill(path: Path, images: int) -> None:
    """A new database at ``path`` with so many images on ten nodes that are away."""
    # In a thread of its own: the browser's library keeps an event loop in ours.
    with ThreadPoolExecutor(1) as one:
        one.submit(asyncio.run, _fill(path, images)).result()


async def _fill(path: Path, images: int) -> None:
    async with open_database(path):
        """Its tables are made."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        bound: Any = _InThisThread(connection)
        for number in range(_NODES):
            await DatabaseRecords(bound).nodes.save(_node(number))
        # Not all under one number: what changes together is told together.
        for first in range(0, images, _TOGETHER):
            records = DatabaseRecords(bound)
            for number in range(first, min(first + _TOGETHER, images)):
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
