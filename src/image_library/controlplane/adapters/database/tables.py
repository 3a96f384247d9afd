"""The tables. What lists filter or sort by has a column of its own; the rest of a value is its document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    Table,
    TypeDecorator,
    UniqueConstraint,
    true,
)
from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

# The revision of the newest migration. A test holds it, and these tables, to the migrations.
HEAD = "0004"

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A UTC moment as microseconds since 1970: sorts as a number, on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _TICK

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class JSON(TypeDecorator[Any]):
    """A document; PostgreSQL keeps it in the form that it can look into."""

    impl = sqlalchemy.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(sqlalchemy.JSON())
        # Loading it takes a while, and most control planes keep SQLite.
        from sqlalchemy.dialects.postgresql import JSONB

        return dialect.type_descriptor(JSONB())


# Compared by code points, as SQLite and Python do, whatever the database's own language is.
String = sqlalchemy.String().with_variant(sqlalchemy.String(collation="C"), "postgresql")

images = Table(
    "images",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", String, nullable=False),
    Column("name", String, nullable=False),
    # In small letters: two names that differ in capitals only are one.
    Column("name_key", String, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("deprecated", Boolean, nullable=False),
    Column("catalog_id", String, nullable=False, index=True),
    Column("os_family", String, nullable=False),
    Column("distribution", String, nullable=False),
    Column("os_version", String, nullable=False),
    Column("architecture", String, nullable=False),
    Column("format", String, nullable=False),
    Column("visibility", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("trust", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("digest", String, nullable=False, index=True),
    # Name, distribution and description in small letters, for searching.
    Column("words", String, nullable=False),
    Column("document", JSON, nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    # What lists show by default, in each of their orders.
    Index("ix_images_newest", "current", "hidden", "created_at", "id"),
    Index("ix_images_updated", "current", "hidden", "updated_at", "id"),
    Index("ix_images_named", "current", "hidden", "name_key", "id"),
    Index("ix_images_sized", "current", "hidden", "size_bytes", "id"),
    Index("ix_images_versions", "project_id", "name_key", "version"),
)
# A name points to one image of its project.
Index(
    "uq_images_current",
    images.c.project_id,
    images.c.name_key,
    unique=True,
    sqlite_where=images.c.current == true(),
    postgresql_where=images.c.current == true(),
)

image_projects = Table(
    "image_projects",
    metadata,
    Column("image_id", String, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", String, primary_key=True),
    Index("ix_image_projects_project", "project_id"),
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
    Column("pool_id", String, nullable=False, index=True),
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
    Column("node_id", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("retry_of", String, nullable=False, index=True),
    Column("document", JSON, nullable=False),
    Column("order", JSON, nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_jobs_newest", "created_at", "id"),
    Index("ix_jobs_live", "ended", "created_at"),
    Index("ix_jobs_ended", "ended", "updated_at"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),
    Column("hostname", String, nullable=False, index=True),
    Column("phase", String, nullable=False),
    Column("document", JSON, nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
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
    Column("sequence", BigInteger, nullable=False, index=True, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("driver_image_id", String, nullable=False, index=True, server_default=""),
    UniqueConstraint("project_id", "name", name="uq_vms_name"),
    Index("ix_vms_newest", "created_at", "id"),
)

# What guests are told alike.
profiles = Table(
    "profiles",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", String, nullable=False),
    # In small letters: two names that differ in capitals only are one.
    Column("name_key", String, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("project_id", "name_key", name="uq_profiles_name"),
    Index("ix_profiles_newest", "created_at", "id"),
)

# What each publisher was last heard to say.
findings = Table(
    "findings",
    metadata,
    Column("catalog_id", String, primary_key=True),
    Column("architecture", String, primary_key=True),
    Column("document", JSON, nullable=False),
)

# What is to be done once a refresh's job has ended.
landings = Table(
    "landings",
    metadata,
    Column("job_id", String, primary_key=True),
    Column("document", JSON, nullable=False),
)

# What is gone, so that those who follow the library by sequence hear of it.
removals = Table(
    "removals",
    metadata,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("sequence", BigInteger, nullable=False, index=True),
    Column("removed_at", Moment, nullable=False),
)

# Deleted images, so that a node that was away does not bring them back.
tombstones = Table(
    "tombstones",
    metadata,
    Column("digest", String, primary_key=True),
    Column("image_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("deleted_at", Moment, nullable=False),
    # The ids of the nodes that have not removed it yet.
    Column("waiting", JSON, nullable=False),
    Column("cleared_at", Moment, index=True),
)

# What was asked and answered under a caller's idempotency key.
calls = Table(
    "calls",
    metadata,
    Column("id", String, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
)

# Browsers that signed in: digests of their secrets.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

# One row: the number of the last transaction that changed something, and of the last that changed what
# lists of images show.
sequence = Table(
    "sequence",
    metadata,
    Column("value", BigInteger, nullable=False),
    Column("images", BigInteger, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)
