"""The tables. What lists filter or sort by has a column of its own; the rest of a value is its document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

# The revision of the newest migration. A test holds it, and these tables, to the migrations.
HEAD = "0001"

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A UTC moment as microseconds since 1970: sorts as a number, on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _TICK

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


images = Table(
    "images",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("catalog_id", String, nullable=False, index=True),
    Column("os_family", String, nullable=False),
    Column("format", String, nullable=False),
    Column("visibility", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("digest", String, nullable=False, index=True),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("project_id", "name", name="uq_images_name"),
    Index("ix_images_newest", "created_at", "id"),
)

image_labels = Table(
    "image_labels",
    metadata,
    Column("image_id", String, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
    Index("ix_image_labels_pair", "key", "value"),
)

placements = Table(
    "placements",
    metadata,
    Column("image_id", String, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("node_id", String, ForeignKey("nodes.id"), primary_key=True),
    # The order in which the image got its copies: the first ready one is shown to old clients.
    Column("position", BigInteger, nullable=False),
    Column("path", String, nullable=False, index=True),
    Column("state", String, nullable=False),
    Column("verified_at", Moment),
    Index("ix_placements_node", "node_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("image_id", String, nullable=False, index=True),
    Column("node_id", String, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("document", JSON, nullable=False),
    Column("order", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_jobs_newest", "created_at", "id"),
    Index("ix_jobs_live", "ended", "created_at"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),
    Column("hostname", String, nullable=False, index=True),
    Column("phase", String, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

vms = Table(
    "vms",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("node_id", String, nullable=False, index=True),
    Column("image_id", String, nullable=False, index=True),
    Column("image_digest", String, nullable=False),
    Column("state", String, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("project_id", "name", name="uq_vms_name"),
    Index("ix_vms_newest", "created_at", "id"),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)
