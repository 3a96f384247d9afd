"""Keys that sign catalogs, and signing: what whoever publishes a catalog does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from image_library.catalog.signed import parse_signed
from image_library.domain.errors import InvalidCatalog, InvalidRequest, printable
from image_library.domain.signed_catalog import (
    MAX_CATALOG_BYTES,
    MAX_SIGNATURES_BYTES,
    SIGNATURE_SUFFIX,
    CatalogTerms,
    signed_bytes,
    write_key,
    write_signature,
)

_RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
_PEM = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


@dataclass(frozen=True, kw_only=True)
class Signed:
    path: Path
    terms: CatalogTerms
    entries: int


def new_key(path: Path) -> str:
    """A new secret key in a new file that only its owner reads; returns the public one.

    Raises:
        InvalidRequest: the file cannot be made, or is there.
    """
    secret = Ed25519PrivateKey.generate()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secret.private_bytes(*_PEM))
            file.flush()
            os.fsync(handle)
    except OSError as error:
        raise _unusable(path, error) from error
    return write_key(secret.public_key().public_bytes(*_RAW))


def sign(file: Path, keys: Sequence[Path]) -> Signed:
    """Writes the signatures of all the keys beside the file.

    Raises:
        InvalidCatalog: it is not one that anybody would take.
        InvalidRequest: a file cannot be read or written, or a key is none.
    """
    content = _read(file, MAX_CATALOG_BYTES)
    parsed = parse_signed(content)
    lines = [_signature(content, _secret(key)) for key in keys]
    path = file.with_name(file.name + SIGNATURE_SUFFIX)
    try:
        path.write_text("".join(lines))
    except OSError as error:
        raise _unusable(path, error) from error
    return Signed(path=path, terms=parsed.terms, entries=len(parsed.entries))


def read_signed(file: Path, signature: Path | None) -> tuple[bytes, bytes]:
    """A catalog and its signatures, as they are. Raises InvalidRequest, InvalidCatalog."""
    beside = signature or file.with_name(file.name + SIGNATURE_SUFFIX)
    return _read(file, MAX_CATALOG_BYTES), _read(beside, MAX_SIGNATURES_BYTES)


def _signature(content: bytes, secret: Ed25519PrivateKey) -> str:
    public = secret.public_key().public_bytes(*_RAW)
    return write_signature(public, secret.sign(signed_bytes(content)))


def _secret(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path, MAX_SIGNATURES_BYTES), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidRequest(
            f"{printable(str(path))} is not a secret Ed25519 key.", remedy="Make one: 'catalog keygen KEY'."
        )
    return key


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise _unusable(path, error) from error
    if len(content) > limit:
        raise InvalidCatalog(f"{printable(str(path))} is larger than {limit >> 10} KiB.")
    return content


def _unusable(path: Path, error: OSError) -> InvalidRequest:
    why = (error.strerror or "unknown reason").lower()
    return InvalidRequest(
        f"{printable(str(path))}: {why}.", remedy="Name a file that can be read or written."
    )
