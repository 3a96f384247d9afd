"""VMs with a second disc, which keeps its image as the first one's does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from image_library.controlplane.adapters.database.tables import String

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("vms", sa.Column("driver_image_id", String, nullable=False, server_default=""))
    op.create_index("ix_vms_driver_image_id", "vms", ["driver_image_id"])
