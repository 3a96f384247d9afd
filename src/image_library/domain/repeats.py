"""A call that is known by a key, so that repeating it does nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from image_library.domain.errors import IdempotencyConflict, InvalidRequest, printable
from image_library.domain.image import Failure

LONGEST_KEY = 200
_FIELD = "idempotency-key"


@dataclass(frozen=True, kw_only=True)
class KnownCall:
    """What is kept of a call with a key: what was asked, what it made, and what it was answered."""

    # The caller's key.
    id: str
    rpc: str
    # Of the request, in hexadecimal.
    request_digest: str
    # The ids of what it made, by kind, written down together with that.
    made: Mapping[str, str] = field(default_factory=dict[str, str])
    # It has been answered: with the message in base64, or with the failure.
    answered: bool = False
    answer: str = ""
    failure: Failure | None = None
    failed_field: str = ""
    created_at: datetime

    def evolve(self, **changes: Any) -> KnownCall:
        return replace(self, **changes)

    def same_as(self, other: KnownCall) -> None:
        """Raises IdempotencyConflict where the two are not one request."""
        if self.rpc != other.rpc:
            raise IdempotencyConflict(f"The key was used for {self.rpc}.", field=_FIELD)
        if self.request_digest != other.request_digest:
            raise IdempotencyConflict("The key was used for another request.", field=_FIELD)


def valid_key(key: str) -> str:
    """``key`` if it can be a call's.

    Raises:
        InvalidRequest: it is empty, longer than 200 characters, or not printable.
    """
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidRequest(
            f"'{printable(key)}' is not an idempotency key.",
            remedy=f"Use 1 to {LONGEST_KEY} printable characters, such as a UUID.",
            field=_FIELD,
        )
    return key
