"""The number of each VM's last change, so that those who follow the library hear of VMs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("vms", sa.Column("sequence", sa.BigInteger, nullable=False, server_default="0"))
    # Those that are there changed no later than anything did.
    op.execute("UPDATE vms SET sequence = (SELECT value FROM sequence)")
    op.create_index("ix_vms_sequence", "vms", ["sequence"])
