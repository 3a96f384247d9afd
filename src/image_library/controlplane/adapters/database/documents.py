"""Frozen values as JSON documents and back, driven by their type hints.

A field that an older version did not write takes its default; one that a newer version wrote is dropped.
Hints are read once for each class: lists decode a hundred values a request.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Change = Callable[[Any], Any]


def to_document(value: Any, *, but: frozenset[str] = frozenset()) -> Any:
    """``value`` as what JSON can hold; the fields in ``but`` are left out of the outermost value."""
    if dataclasses.is_dataclass(value):
        return {name: to_document(getattr(value, name)) for name in _names(type(value)) if name not in but}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | frozenset):
        return [to_document(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Mapping):
        return {str(k): to_document(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def from_document(cls: type[T], document: Mapping[str, Any], **rest: Any) -> T:
    """The value that ``document`` describes; ``rest`` gives fields that are kept elsewhere."""
    fields = {
        name: change(document[name]) if change else document[name]
        for name, change in _changes(cls)
        if name in document
    }
    return cls(**(fields | rest))


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@cache
def _changes(cls: type) -> tuple[tuple[str, Change | None], ...]:
    """Each field with what makes its value of the document's; None: the document's is the value."""
    hints = get_type_hints(cls)
    return tuple((name, _change(hints[name])) for name in _names(cls))


def _change(hint: Any) -> Change | None:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _unless_none(_change(next(a for a in arguments if a is not type(None))))
    if origin is tuple:
        return _of_each(_change(arguments[0]))
    if not isinstance(hint, type):
        return None
    if dataclasses.is_dataclass(hint):
        return lambda raw: from_document(hint, raw)
    if issubclass(hint, Enum):
        # Looking it up is several times faster than calling the class.
        members = {member.value: member for member in hint}
        return members.__getitem__
    if issubclass(hint, datetime):
        return datetime.fromisoformat
    if issubclass(hint, date):
        return date.fromisoformat
    return None


def _unless_none(change: Change | None) -> Change | None:
    return change and (lambda raw: None if raw is None else change(raw))


def _of_each(change: Change | None) -> Change:
    return (lambda raw: tuple(change(item) for item in raw)) if change else tuple
