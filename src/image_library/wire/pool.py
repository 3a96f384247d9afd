"""Storage pools on the wire: each is a directory of its node."""

from __future__ import annotations

from protobuf import Oneof

from image_library.domain.node import NodePhase
from image_library.domain.pool import Pool
from image_library.wire.times import time_to_wire
from limiquantix.storage.v1 import pool_pb as pb

PHASES = {
    NodePhase.PENDING: pb.StoragePoolStatus.Phase.PENDING,
    NodePhase.READY: pb.StoragePoolStatus.Phase.READY,
    NodePhase.NOT_READY: pb.StoragePoolStatus.Phase.DEGRADED,
    NodePhase.OFFLINE: pb.StoragePoolStatus.Phase.ERROR,
}


def pool_to_wire(pool: Pool) -> pb.StoragePool:
    node = pool.node
    return pb.StoragePool(
        id=pool.id,
        name=node.hostname,
        description=f"The store of node {node.hostname}.",
        labels=dict(node.labels),
        spec=pb.StoragePoolSpec(
            backend=pb.StorageBackend(
                type=pb.StorageBackend.BackendType.LOCAL_DIR,
                config=Oneof("local_dir", pb.LocalDirConfig(node_id=node.id)),
            ),
            assigned_node_ids=[node.id],
        ),
        status=_status(pool),
        created_at=time_to_wire(node.created_at),
        updated_at=time_to_wire(node.updated_at),
    )


def _status(pool: Pool) -> pb.StoragePoolStatus:
    node = pool.node
    away = f"Node {node.hostname} does not answer." if node.phase is NodePhase.OFFLINE else ""
    return pb.StoragePoolStatus(
        phase=PHASES[node.phase],
        capacity=pb.StorageCapacity(
            total_bytes=node.disk_total_bytes,
            used_bytes=node.disk_used_bytes,
            available_bytes=node.free_bytes,
        ),
        error_message=node.error_message or away,
    )


def means_stores(backend: pb.StorageBackend.BackendType) -> bool:
    """Whether a filter for this kind of backend lets stores of nodes through; zero filters nothing."""
    return int(backend) in (0, int(pb.StorageBackend.BackendType.LOCAL_DIR))
