"""Provisioning profiles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from image_library.controlplane.adapters.database.tables import JSON, String

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "profiles",
        sa.Column("id", String, primary_key=True),
        sa.Column("project_id", String, nullable=False),
        sa.Column("name_key", String, nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("project_id", "name_key", name="uq_profiles_name"),
    )
    op.create_index("ix_profiles_newest", "profiles", ["created_at", "id"])
