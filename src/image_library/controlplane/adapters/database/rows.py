"""What every table's adapter does alike: replace a row, and read one page newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    String,
    Table,
    exists,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from image_library.domain.paging import Cursor, Key, PageRequest, micros


async def upsert(
    connection: AsyncConnection, table: Table, values: Mapping[str, Any], *, key: tuple[str, ...] = ("id",)
) -> None:
    """Adds the row with this key, or replaces all of its other columns."""
    statement = _insert(connection)(table).values(**values)
    changed = {name: statement.excluded[name] for name in values if name not in key}
    await connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed))


def _insert(connection: AsyncConnection) -> Any:
    """The dialect's own INSERT, which knows what to do about a row that is there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert


def on_its_own(connection: AsyncConnection) -> AbstractAsyncContextManager[Any]:
    """A statement that may be refused without an end to its transaction. SQLite needs nothing for that."""
    return connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext()


class _Labels(GenericFunction[Any]):
    """The labels in a document, as rows of "key" and "value"."""

    name = "document_labels"
    inherit_cache = True


@compiles(_Labels, "sqlite")
def _labels_in_sqlite(element: _Labels, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)}, '$.labels')"


@compiles(_Labels, "postgresql")
def _labels_in_postgresql(element: _Labels, compiler: Any, **options: Any) -> str:
    return f"jsonb_each_text({compiler.process(element.clauses, **options)} -> 'labels')"


def has_label(document: ColumnElement[Any], key: str, value: str) -> ColumnElement[bool]:
    labels = _Labels(document).table_valued("key", "value")
    return exists().where(labels.c.key == key, labels.c.value == value)


def newest_first(query: Select[Any], table: Table) -> Select[Any]:
    return query.order_by(table.c.created_at.desc(), table.c.id.desc())


def named(table: Table, name: str) -> ColumnElement[bool]:
    """Names differ by more than capitals. They are ASCII, which is all that SQLite's lower() knows."""
    return func.lower(table.c.name) == name.lower()


async def total_of(
    connection: AsyncConnection, table: Table, conditions: Sequence[ColumnElement[bool]]
) -> int:
    count = select(func.count()).select_from(table).where(*conditions)
    return (await connection.execute(count)).scalar_one()


async def rows_of(
    connection: AsyncConnection,
    query: Select[*tuple[Any, ...]],
    column: ColumnElement[Any],
    page: PageRequest,
    *,
    row_id: ColumnElement[str],
) -> tuple[Sequence[Row[Any]], Cursor | None]:
    """The page's rows of the query, sorted by the column and then the id, and the next page's cursor.

    The query's rows carry the column's own value as ``sort_key``.
    """
    query = query.add_columns(type_coerce(column, column.type).label("sort_key"))
    if page.after is not None:
        here = tuple_(column, row_id)
        there = tuple_(_stored(page.after.key, column), literal(page.after.id))
        query = query.where(here < there if page.order.descending else here > there)
    ways = [column.desc(), row_id.desc()] if page.order.descending else [column.asc(), row_id.asc()]
    # One row more than asked for tells whether there is a next page.
    rows = (await connection.execute(query.order_by(*ways).limit(page.size + 1))).all()
    shown = rows[: page.size]
    if len(rows) <= page.size:
        return shown, None
    last = shown[-1]
    key = micros(last.sort_key) if isinstance(last.sort_key, datetime) else last.sort_key
    return shown, Cursor(key=key, id=last.id)


def _stored(key: Key, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The cursor's key as the database holds it: a moment is kept as the same number."""
    return literal(key, String() if isinstance(key, str) else BigInteger())


async def page_of(
    connection: AsyncConnection, table: Table, conditions: Sequence[ColumnElement[bool]], page: PageRequest
) -> tuple[Sequence[Row[Any]], int, Cursor | None]:
    """The page's rows, the number of all that match, and the next page's cursor."""
    total = await total_of(connection, table, conditions)
    query = select(table).where(*conditions)
    rows, after = await rows_of(connection, query, table.c.created_at, page, row_id=table.c.id)
    return rows, total, after
