"""The number of each VM's last change, so that those who follow the library hear of VMs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Those that are there changed no later than anything did.
    with op.batch_alter_table("vms") as vms:
        vms.add_column(sa.Column("sequence", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE vms SET sequence = (SELECT value FROM sequence)")
    with op.batch_alter_table("vms") as vms:
        vms.alter_column("sequence", server_default=None)
    op.create_index("ix_vms_sequence", "vms", ["sequence"])
