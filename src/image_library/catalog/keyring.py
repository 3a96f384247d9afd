"""Reads the table of pinned keys: those that are shipped, and an operator's own beside a catalog file."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

from image_library.catalog.table import Table
from image_library.domain.errors import InvalidCatalog
from image_library.domain.signature import SigningKey

FOLDER = "keys"
TABLE = "keys.toml"
FINGERPRINT = re.compile(r"[0-9A-F]{40}([0-9A-F]{24})?")
_LINE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_INLINE = re.compile(_ARMOR + r"[\n-~]{1,60000}")
_LARGEST_KEY = 64 << 10

Keyring = dict[str, SigningKey]


def shipped_keys() -> Keyring:
    """The keys that come with the program, by fingerprint."""
    return _read(files("image_library.catalog").joinpath(FOLDER), source=TABLE)


def keys_beside(catalog: Path) -> Keyring:
    """The keys in the folder "keys" beside a catalog file; none where there is no such table.

    Raises:
        InvalidCatalog: the table or a key's file cannot be used.
    """
    folder = catalog.parent / FOLDER
    return _read(folder, source=str(folder / TABLE)) if (folder / TABLE).is_file() else {}


def _read(folder: Traversable, *, source: str) -> Keyring:
    try:
        document = tomllib.loads(_text(folder.joinpath(TABLE)))
    except (ValueError, OSError) as error:
        raise InvalidCatalog(f"{source} cannot be read: {error}.") from error
    listed = document.pop("key", [])
    if document:
        raise InvalidCatalog(f"{source}: a table of keys holds [[key]] tables and nothing else.")
    return read_keys(listed, folder, source=source)


def read_keys(listed: object, folder: Traversable | None, *, source: str) -> Keyring:
    """The keys of [[key]] tables, whose files are in the folder, or which are in "armored" themselves.

    Raises:
        InvalidCatalog: one cannot be used.
    """
    if not isinstance(listed, list):
        raise InvalidCatalog(f"{source}: keys are [[key]] tables.")
    keys = [_key(values, folder, source=source) for values in cast("list[Any]", listed)]
    return {key.fingerprint: key for key in keys}


def _key(values: object, folder: Traversable | None, *, source: str) -> SigningKey:
    if not isinstance(values, dict):
        raise InvalidCatalog(f"{source}: a key is a table.")
    table = Table(cast("dict[str, Any]", values), where=source)
    fingerprint = table.text("fingerprint", pattern=FINGERPRINT)
    table.rename(f"{source}: key {fingerprint}")
    table.text("package", default="", pattern=_LINE)
    key = SigningKey(
        fingerprint=fingerprint,
        armored=_armored(table, folder.joinpath(f"{fingerprint}.asc"))
        if folder
        else table.text("armored", pattern=_INLINE),
        owner=table.text("owner", pattern=_LINE),
        expires=table.day("expires"),
        primary_only=table.flag("primary_only", default=False),
    )
    table.finish()
    return key


def _armored(table: Table, file: Traversable) -> str:
    try:
        text = _text(file)
    except (ValueError, OSError):
        table.fail("fingerprint", f"there is no file {file.name} that can be read beside the table")
    if not text.startswith(_ARMOR):
        table.fail("fingerprint", f"{file.name} is not a public key in ASCII armor")
    return text


def _text(file: Traversable) -> str:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST_KEY + 1)
    if len(content) > _LARGEST_KEY:
        raise ValueError(f"{file.name} is larger than {_LARGEST_KEY >> 10} KiB")
    return content.decode("utf-8")
