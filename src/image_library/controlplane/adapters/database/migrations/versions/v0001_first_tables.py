"""The first tables: images with labels and placements, jobs, nodes, VMs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from image_library.controlplane.adapters.database.tables import JSON, String

revision = "0001"
down_revision = None


def upgrade() -> None:
    _images()
    _work()
    _machines()
    _refreshes()
    _numbers()
    op.create_table(
        "meta",
        sa.Column("key", String, primary_key=True),
        sa.Column("value", String, nullable=False),
    )


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("id", String, primary_key=True),
        *_texts("project_id", "name", "name_key"),
        sa.Column("version", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.Boolean, nullable=False)
            for name in ("current", "hidden", "protected", "deprecated")
        ),
        *_texts("catalog_id", "os_family", "distribution", "os_version", "architecture"),
        *_texts("format", "visibility", "phase"),
        sa.Column("trust", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        *_texts("digest", "words"),
        sa.Column("document", JSON, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        *_moments(),
    )
    for name in ("catalog_id", "digest", "sequence"):
        op.create_index(f"ix_images_{name}", "images", [name])
    orders = {"newest": "created_at", "updated": "updated_at", "named": "name_key", "sized": "size_bytes"}
    for name, column in orders.items():
        op.create_index(f"ix_images_{name}", "images", ["current", "hidden", column, "id"])
    op.create_index("ix_images_versions", "images", ["project_id", "name_key", "version"])
    op.create_index(
        "uq_images_current",
        "images",
        ["project_id", "name_key"],
        unique=True,
        sqlite_where=sa.text("current = 1"),
        postgresql_where=sa.text("current = true"),
    )
    op.create_table(
        "image_projects",
        sa.Column("image_id", String, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("project_id", String, primary_key=True),
    )
    op.create_index("ix_image_projects_project", "image_projects", ["project_id"])
    op.create_table(
        "image_labels",
        sa.Column("image_id", String, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", String, primary_key=True),
        sa.Column("value", String, nullable=False),
    )
    op.create_index("ix_image_labels_pair", "image_labels", ["key", "value"])


def _work() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", String, primary_key=True),
        *_texts("image_id", "node_id", "kind", "state"),
        sa.Column("ended", sa.Boolean, nullable=False),
        *_texts("retry_of"),
        sa.Column("document", JSON, nullable=False),
        sa.Column("order", JSON, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        *_moments(),
    )
    for name in ("image_id", "node_id", "retry_of", "sequence"):
        op.create_index(f"ix_jobs_{name}", "jobs", [name])
    op.create_index("ix_jobs_newest", "jobs", ["created_at", "id"])
    op.create_index("ix_jobs_live", "jobs", ["ended", "created_at"])
    op.create_index("ix_jobs_ended", "jobs", ["ended", "updated_at"])
    op.create_table(
        "calls",
        sa.Column("id", String, primary_key=True),
        sa.Column("document", JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_calls_created_at", "calls", ["created_at"])
    op.create_table(
        "sessions",
        sa.Column("id", String, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def _machines() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", String, primary_key=True),
        *_texts("hostname", "phase"),
        sa.Column("document", JSON, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        *_moments(),
    )
    op.create_index("ix_nodes_hostname", "nodes", ["hostname"])
    op.create_index("ix_nodes_sequence", "nodes", ["sequence"])
    op.create_table(
        "placements",
        sa.Column("image_id", String, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("node_id", String, sa.ForeignKey("nodes.id"), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("pool_id", String, nullable=False),
        sa.Column("path", String, nullable=False),
        sa.Column("state", String, nullable=False),
        sa.Column("verified_at", sa.BigInteger),
    )
    op.create_index("ix_placements_path", "placements", ["path"])
    op.create_index("ix_placements_pool_id", "placements", ["pool_id"])
    op.create_index("ix_placements_node", "placements", ["node_id"])
    op.create_table(
        "vms",
        sa.Column("id", String, primary_key=True),
        *_texts("project_id", "name", "node_id", "image_id", "image_digest", "state"),
        sa.Column("document", JSON, nullable=False),
        *_moments(),
        sa.UniqueConstraint("project_id", "name", name="uq_vms_name"),
    )
    op.create_index("ix_vms_node_id", "vms", ["node_id"])
    op.create_index("ix_vms_image_id", "vms", ["image_id"])
    op.create_index("ix_vms_newest", "vms", ["created_at", "id"])


def _refreshes() -> None:
    op.create_table(
        "findings",
        sa.Column("catalog_id", String, primary_key=True),
        sa.Column("architecture", String, primary_key=True),
        sa.Column("document", JSON, nullable=False),
    )
    op.create_table(
        "landings",
        sa.Column("job_id", String, primary_key=True),
        sa.Column("document", JSON, nullable=False),
    )


def _numbers() -> None:
    op.create_table(
        "removals",
        sa.Column("kind", String, primary_key=True),
        sa.Column("id", String, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("removed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_removals_sequence", "removals", ["sequence"])
    op.create_table(
        "tombstones",
        sa.Column("digest", String, primary_key=True),
        *_texts("image_id", "name"),
        sa.Column("deleted_at", sa.BigInteger, nullable=False),
        sa.Column("waiting", JSON, nullable=False),
        sa.Column("cleared_at", sa.BigInteger),
    )
    op.create_index("ix_tombstones_cleared_at", "tombstones", ["cleared_at"])
    numbers = op.create_table(
        "sequence",
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("images", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(numbers, [{"value": 0, "images": 0}])


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, String, nullable=False) for name in names)


def _moments() -> tuple[sa.Column[int], sa.Column[int]]:
    """Microseconds since 1970, UTC."""
    return (
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
