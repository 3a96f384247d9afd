"""Frozen values as JSON documents and back, driven by their type hints.

A field that an older version did not write takes its default; one that a newer version wrote is dropped.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_document(value: Any, *, but: frozenset[str] = frozenset()) -> Any:
    """``value`` as what JSON can hold; the fields in ``but`` are left out of the outermost value."""
    if dataclasses.is_dataclass(value):
        kept = (f.name for f in dataclasses.fields(value) if f.name not in but)
        return {name: to_document(getattr(value, name)) for name in kept}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | frozenset):
        return [to_document(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Mapping):
        return {str(k): to_document(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def from_document(cls: type[T], document: Mapping[str, Any], **rest: Any) -> T:
    """The value that ``document`` describes; ``rest`` gives fields that are kept elsewhere."""
    hints = _hints(cls)
    known = {f.name for f in dataclasses.fields(cls)}  # pyright: ignore[reportArgumentType]
    fields = {name: _decode(hints[name], raw) for name, raw in document.items() if name in known}
    return cls(**{**fields, **rest})


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _decode(hint: Any, raw: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if raw is None else _decode(next(a for a in arguments if a is not type(None)), raw)
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in raw)
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint):
            return from_document(hint, raw)
        if issubclass(hint, Enum):
            return hint(raw)
        if issubclass(hint, datetime):
            return datetime.fromisoformat(raw)
    return raw
