"""JSON from outside, taken apart with suspicion: any surprise is one ``IndexUnreadable``."""

from __future__ import annotations

import json
from typing import Any, cast

from image_library.domain.errors import IndexUnreadable

# Of tables and lists, and of values: four times what real indexes of the largest size have. A value of four
# bytes takes sixty in memory.
_MOST_PARTS = 250_000
_MOST_VALUES = 2_000_000


def text_of(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IndexUnreadable("The index is not text.") from error


def json_of(page: bytes | str) -> object:
    text = page if isinstance(page, str) else text_of(page)
    if text.lstrip()[:1] == "<":
        raise IndexUnreadable("The index is a web page.")
    if text.count("{") + text.count("[") > _MOST_PARTS or text.count(",") > _MOST_VALUES:
        raise IndexUnreadable("The index has more parts than any index needs.")
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise IndexUnreadable("The index is not valid JSON.") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two equal keys they take, so an index with such keys says nothing.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members


def table(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise IndexUnreadable(f"The index has no {what}.")
    return cast("dict[str, object]", value)


def rows(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise IndexUnreadable(f"The index has no {what}.")
    return cast("list[object]", value)


def words(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise IndexUnreadable(f"The index has no {what}.")
    return value
