"""Versions that VMs need beside the one that their disk is built on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from image_library.controlplane.adapters.database.tables import String

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "vm_bases",
        sa.Column("vm_id", String, sa.ForeignKey("vms.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("image_id", String, primary_key=True),
    )
    op.create_index("ix_vm_bases_image_id", "vm_bases", ["image_id"])
