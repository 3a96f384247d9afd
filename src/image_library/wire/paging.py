"""Page tokens: opaque, bound to the query that they belong to, and not to be forged."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Protocol, TypeVar

from protobuf import Message

from image_library.domain.errors import InvalidPageToken
from image_library.domain.paging import Cursor, Order, PageRequest, page_size

_TAG_BYTES = 16


class Pageable(Protocol):
    """A list request of the contract."""

    page_size: int
    page_token: str

    def to_binary(self) -> bytes: ...


R = TypeVar("R", bound=Pageable)


class PageTokens:
    """Makes and reads tokens with a secret key, so that they live as long as the database that keeps it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def page_request(self, request: Pageable, order: Order | None = None) -> PageRequest:
        """The page that a list request asks for.

        Raises:
            InvalidRequest: the page size is negative.
            InvalidPageToken: the token is not one that this server gave out for this query.
        """
        size, order = page_size(request.page_size), order or Order()
        if not request.page_token:
            return PageRequest(size=size, order=order)
        return PageRequest(size=size, after=self._read(request.page_token, request), order=order)

    def token(self, cursor: Cursor | None, request: Pageable) -> str:
        """The token for the page after ``cursor``; empty where there is none."""
        if cursor is None:
            return ""
        plain = json.dumps([cursor.key, cursor.id]).encode()
        return base64.urlsafe_b64encode(self._tag(plain, request) + plain).decode().rstrip("=")

    def _read(self, token: str, request: Pageable) -> Cursor:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _foreign() from error
        tag, plain = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(plain, request)):
            raise _foreign()
        # Tagged by ourselves, for a query of this order: it is what it was made as.
        key, row = json.loads(plain)
        return Cursor(key=key, id=row)

    def _tag(self, plain: bytes, request: Pageable) -> bytes:
        return hmac.digest(self._key, _query(request) + plain, hashlib.sha256)[:_TAG_BYTES]


def _query(request: Pageable) -> bytes:
    """A digest of what is asked for, whichever page of it; the order of fields and labels does not matter."""
    facts = sorted(_facts(request))
    return hashlib.sha256(repr((type(request).__qualname__, facts)).encode()).digest()


def _facts(request: Pageable) -> list[tuple[str, str]]:
    assert isinstance(request, Message)
    return [
        (member.name, _plain(getattr(request, member.name)))
        for member in type(request).desc().fields
        if member.name not in ("page_size", "page_token")
    ]


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return repr(sorted((str(k), str(v)) for k, v in value.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return repr(value)


def _foreign() -> InvalidPageToken:
    return InvalidPageToken("The page token was not given out for this query.", field="page_token")
