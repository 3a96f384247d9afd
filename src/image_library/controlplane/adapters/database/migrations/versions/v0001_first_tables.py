"""The first tables: images with labels and placements, jobs, nodes, VMs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _images()
    _work()
    _machines()
    op.create_table(
        "meta",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("project_id", "name", "catalog_id")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("os_family", "format", "visibility")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("phase", "digest")),
        sa.Column("document", sa.JSON, nullable=False),
        *_moments(),
        sa.UniqueConstraint("project_id", "name", name="uq_images_name"),
    )
    op.create_index("ix_images_catalog_id", "images", ["catalog_id"])
    op.create_index("ix_images_digest", "images", ["digest"])
    op.create_index("ix_images_newest", "images", ["created_at", "id"])
    op.create_table(
        "image_labels",
        sa.Column("image_id", sa.String, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    op.create_index("ix_image_labels_pair", "image_labels", ["key", "value"])


def _work() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("image_id", sa.String, nullable=False),
        sa.Column("node_id", sa.String, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("order", sa.JSON, nullable=False),
        *_moments(),
    )
    op.create_index("ix_jobs_image_id", "jobs", ["image_id"])
    op.create_index("ix_jobs_newest", "jobs", ["created_at", "id"])
    op.create_index("ix_jobs_live", "jobs", ["ended", "created_at"])


def _machines() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("hostname", sa.String, nullable=False),
        sa.Column("phase", sa.String, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        *_moments(),
    )
    op.create_index("ix_nodes_hostname", "nodes", ["hostname"])
    op.create_table(
        "placements",
        sa.Column("image_id", sa.String, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("node_id", sa.String, sa.ForeignKey("nodes.id"), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("verified_at", sa.BigInteger),
    )
    op.create_index("ix_placements_path", "placements", ["path"])
    op.create_index("ix_placements_node", "placements", ["node_id"])
    op.create_table(
        "vms",
        sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("project_id", "name", "node_id")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("image_id", "image_digest", "state")),
        sa.Column("document", sa.JSON, nullable=False),
        *_moments(),
        sa.UniqueConstraint("project_id", "name", name="uq_vms_name"),
    )
    op.create_index("ix_vms_node_id", "vms", ["node_id"])
    op.create_index("ix_vms_image_id", "vms", ["image_id"])
    op.create_index("ix_vms_newest", "vms", ["created_at", "id"])


def _moments() -> tuple[sa.Column[int], sa.Column[int]]:
    """Microseconds since 1970, UTC."""
    return (
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
