"""Reads a catalogue file that is signed: images, publishers' keys for them, and its terms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from image_library.catalog.keyring import Keyring, read_keys, shipped_keys
from image_library.catalog.loader import entries_of, read_document
from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import InvalidCatalog
from image_library.domain.signed_catalog import CatalogTerms

SOURCE = "the signed catalog"


@dataclass(frozen=True, kw_only=True)
class SignedFile:
    terms: CatalogTerms
    entries: tuple[CatalogEntry, ...]
    # Those that the file brings; it may name the shipped ones too.
    keys: Keyring


def parse_signed(content: bytes) -> SignedFile:
    """The file, every entry of it. Call it only with bytes whose signature was found valid.

    Raises:
        InvalidCatalog: anything in it is not valid.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidCatalog(f"{SOURCE} is not UTF-8 text.") from None
    document = read_document(text, source=SOURCE)
    terms = CatalogTerms(
        version=_taken(document, "version", int),
        written=_taken(document, "written", date, keep=True),
        expires=_taken(document, "expires", date),
    )
    keys = read_keys(document.pop("key", []), None, source=SOURCE)
    entries = entries_of(document, source=SOURCE, keys=shipped_keys() | keys)
    return SignedFile(terms=terms, entries=entries, keys=keys)


def written_last(entries: Iterable[CatalogEntry]) -> date | None:
    return max((entry.written for entry in entries if entry.written), default=None)


def _taken(document: dict[str, Any], key: str, kind: type[Any], *, keep: bool = False) -> Any:
    value = document.get(key) if keep else document.pop(key, None)
    # Exactly this type: to Python a bool is an int, and a time of day is a date.
    if type(value) is not kind:
        wanted = "a whole number" if kind is int else "a date such as 2030-12-31"
        raise InvalidCatalog(f"{SOURCE}: '{key}' must be {wanted}.", field=key)
    return value
