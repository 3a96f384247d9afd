"""Numbers of the contract's enums as our own values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import SupportsInt, TypeVar

from image_library.domain.errors import InvalidRequest

N = TypeVar("N", bound=SupportsInt)
V = TypeVar("V")


def known(number: N, values: Mapping[N, V], *, field: str) -> V:
    """The value that the number stands for.

    Raises:
        InvalidRequest: the number is none of the contract's.
    """
    if number not in values:
        raise InvalidRequest(f"The {field} {int(number)} is not known here.", field=field)
    return values[number]
