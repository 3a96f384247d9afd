"""What every table's adapter does alike: replace a row, and read one page newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, and_, func, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.domain.paging import Cursor, PageRequest


async def upsert(
    connection: AsyncConnection, table: Table, values: Mapping[str, Any], *, key: tuple[str, ...] = ("id",)
) -> None:
    """Adds the row with this key, or replaces all of its other columns."""
    statement = insert(table).values(**values)
    changed = {name: statement.excluded[name] for name in values if name not in key}
    await connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed))


def newest_first(query: Select[Any], table: Table) -> Select[Any]:
    return query.order_by(table.c.created_at.desc(), table.c.id.desc())


def named(table: Table, name: str) -> ColumnElement[bool]:
    """Names differ by more than capitals. They are ASCII, which is all that SQLite's lower() knows."""
    return func.lower(table.c.name) == name.lower()


def after(table: Table, cursor: Cursor | None) -> ColumnElement[bool] | None:
    if cursor is None:
        return None
    older = table.c.created_at < cursor.created_at
    same_moment = and_(table.c.created_at == cursor.created_at, table.c.id < cursor.id)
    return or_(older, same_moment)


async def page_of(
    connection: AsyncConnection, table: Table, conditions: Sequence[ColumnElement[bool]], page: PageRequest
) -> tuple[Sequence[Row[Any]], int, Cursor | None]:
    """The page's rows, the number of all that match, and the next page's cursor."""
    count = select(func.count()).select_from(table).where(*conditions)
    total = (await connection.execute(count)).scalar_one()
    beyond = after(table, page.after)
    wanted = [*conditions, beyond] if beyond is not None else conditions
    # One row more than asked for tells whether there is a next page.
    query = newest_first(select(table).where(*wanted), table).limit(page.size + 1)
    rows = (await connection.execute(query)).all()
    shown = rows[: page.size]
    if len(rows) <= page.size:
        return shown, total, None
    return shown, total, Cursor(created_at=shown[-1].created_at, id=shown[-1].id)
