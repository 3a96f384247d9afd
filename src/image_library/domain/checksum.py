"""Digests, and the checksum files of publishers: which digest belongs to which file name.

Every layout that publishers of cloud images use is recognised by its content: GNU coreutils
("HEX  name", "HEX *name", "HEX name"), BSD ("SHA256 (name) = HEX"), Debian's and Oracle's JSON
manifests, a digest standing alone, and any of the line formats inside an OpenPGP cleartext
signature. Nothing here checks the signature itself.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from image_library.domain.errors import ChecksumMissing, InvalidChecksumFile, InvalidDigest, printable

# Publishers' files are a few kilobytes; CentOS's, which grows for ever, is not yet 100.
MAX_CHECKSUM_FILE_BYTES = 1 << 20

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_STRONGEST_FIRST = ("sha512", "sha256")
_HEX = re.compile(r"[0-9a-f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_BARE = re.compile(r"[0-9A-Fa-f]{32,128}")
_GNU = re.compile(r"([0-9A-Fa-f]{32,128})[ \t]+\*?(?:\./)?(\S.*)")
_BSD = re.compile(r"([A-Za-z0-9/-]+) ?\((?:\./)?(.+)\) ?= ?([0-9A-Fa-f]+)")
_SIDECAR_ENDINGS = frozenset({"sha256", "sha512", "sha256sum", "sha512sum", "checksum"})


@dataclass(frozen=True, kw_only=True)
class Digest:
    """A file's digest. Made by ``parse_digest``, so its parts fit together."""

    # "sha256" or "sha512".
    algorithm: str
    # Lower-case hexadecimal.
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True, kw_only=True)
class ChecksumRow:
    """One digest of a checksum file; ``filename`` is empty where the digest stands alone."""

    filename: str
    digest: Digest


@dataclass(frozen=True)
class _Found:
    """A row as read; its algorithm may be one that we do not use, such as md5."""

    filename: str
    algorithm: str
    hex: str


def parse_digest(text: str, *, algorithm: str = "") -> Digest:
    """The digest that ``text`` states: hexadecimal in any case, with or without "sha256:" before it.

    Without a prefix and without ``algorithm`` the length decides.

    Raises:
        InvalidDigest: another algorithm, a wrong length, other characters, or a prefix that
            disagrees with ``algorithm``.
    """
    prefix, _, digits = text.strip().lower().rpartition(":")
    named = {known_algorithm(name) for name in (prefix, algorithm) if name}
    if len(named) > 1:
        raise InvalidDigest(f"The digest is '{printable(prefix)}', not {algorithm}.", field="checksum")
    chosen = named.pop() if named else _algorithm_of_length(len(digits))
    if not _HEX.fullmatch(digits) or _HEX_LENGTHS.get(chosen) != len(digits):
        raise InvalidDigest(f"'{printable(text)}' is not a {chosen or 'known'} digest.", field="checksum")
    return Digest(algorithm=chosen, hex=digits)


def known_algorithm(name: str) -> str:
    """The name "sha256" or "sha512", however it is spelled.

    Raises:
        InvalidDigest: it is another algorithm.
    """
    plain = name.strip().lower().replace("-", "")
    if plain not in _HEX_LENGTHS:
        raise InvalidDigest(f"Digests of kind '{printable(name)}' are not used.", field="checksum_type")
    return plain


def _algorithm_of_length(length: int) -> str:
    return next((name for name, digits in _HEX_LENGTHS.items() if digits == length), "")


def is_sidecar(*, checksum_url: str, filename: str) -> bool:
    """Whether the checksum file belongs to exactly this image, as "x.qcow2.sha512" does to "x.qcow2"."""
    name = checksum_url.rsplit("/", 1)[-1]
    ending = name.removeprefix(f"{filename}.")
    return bool(filename) and ending != name and ending.lower() in _SIDECAR_ENDINGS


def decode_checksum_file(content: bytes) -> str:
    """A fetched checksum file as text.

    Raises:
        InvalidChecksumFile: it is larger than 1 MiB or not text.
    """
    if len(content) > MAX_CHECKSUM_FILE_BYTES:
        raise InvalidChecksumFile("The checksum file is larger than 1 MiB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidChecksumFile("The checksum file is not text.") from error


def find_checksum(text: str, *, filename: str, algorithm: str, sidecar: bool = False) -> Digest:
    """The digest of exactly the file ``filename``.

    Rows count only if they name the whole file name; a leading "./" is not part of it. With
    ``sidecar`` (see ``is_sidecar``) a file that is one digest and nothing else counts too. Without
    ``algorithm`` the strongest digest that the file has for it is taken.

    Raises:
        InvalidChecksumFile: a web page, binary data, more than 1 MiB, no digest of a known kind at
            all, or two different digests for the file.
        ChecksumMissing: no row for this file name.
        InvalidDigest: ``algorithm`` is neither sha256 nor sha512.
    """
    wanted = (known_algorithm(algorithm),) if algorithm else _STRONGEST_FIRST
    found = _read(text)
    if not any(row.algorithm in _HEX_LENGTHS for row in found):
        raise InvalidChecksumFile("The checksum file holds no sha256 or sha512 digest.")
    if sidecar and len(found) == 1 and not found[0].filename:
        rows = found
    else:
        rows = [row for row in found if row.filename and row.filename == filename]
    kinds = {row.algorithm for row in rows}
    chosen = next((name for name in wanted if name in kinds), wanted[0])
    digests = {row.hex for row in rows if row.algorithm == chosen}
    if len(digests) > 1:
        raise InvalidChecksumFile(f"The checksum file has different digests for '{printable(filename)}'.")
    if not digests:
        count = "1 row" if len(found) == 1 else f"{len(found)} rows"
        kind = " or ".join(wanted)
        raise ChecksumMissing(
            f"The checksum file has no {kind} row for '{printable(filename)}' among its {count}."
        )
    return Digest(algorithm=chosen, hex=digests.pop())


def parse_checksums(text: str) -> tuple[ChecksumRow, ...]:
    """Every sha256 and sha512 row, in order; rows of other kinds are left out.

    Raises:
        InvalidChecksumFile: a web page, binary data, or more than 1 MiB.
    """
    return tuple(
        ChecksumRow(filename=row.filename, digest=Digest(algorithm=row.algorithm, hex=row.hex))
        for row in _read(text)
        if row.algorithm in _HEX_LENGTHS
    )


def _read(text: str) -> list[_Found]:
    if len(text) > MAX_CHECKSUM_FILE_BYTES:
        raise InvalidChecksumFile("The checksum file is larger than 1 MiB.")
    if _CONTROL.search(text):
        raise InvalidChecksumFile("The checksum file is not text.")
    text = text.removeprefix("\ufeff")
    start = text.lstrip()[:1]
    if start == "<":
        raise InvalidChecksumFile("The checksum file is a web page.")
    if start in ("{", "["):
        return list(_json_rows(_parse_json(text)))
    # Not splitlines(): it also splits at characters that may stand inside a line.
    lines = [line.rstrip(" \t\r") for line in text.split("\n")]
    return [row for line in _signed_lines(lines) if (row := _line_row(line))]


_SIGNED_START = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE_START = "-----BEGIN PGP SIGNATURE-----"
_SIGNATURE_END = "-----END PGP SIGNATURE-----"


def _signed_lines(lines: list[str]) -> list[str]:
    """The lines inside the cleartext signature (RFC 9580, section 7), or all of them if there is none."""
    if _SIGNED_START not in lines:
        return lines
    start = lines.index(_SIGNED_START)
    try:
        body = lines.index("", start + 1) + 1
        end = lines.index(_SIGNATURE_START, body)
        lines.index(_SIGNATURE_END, end)
    except ValueError as error:
        raise InvalidChecksumFile("The signed checksum file is cut off.") from error
    headers, payload = lines[start + 1 : body - 1], lines[body:end]
    # Only "Hash" may stand in front of the text; anything else could pass for it to a human reader.
    if not all(header.startswith("Hash: ") for header in headers):
        raise InvalidChecksumFile("The signed checksum file has unknown headers.")
    if lines.count(_SIGNED_START) > 1 or any(_not_escaped(line) for line in payload):
        raise InvalidChecksumFile("The signed checksum file is malformed.")
    return [line.removeprefix("- ") for line in payload]


def _not_escaped(line: str) -> bool:
    return line.startswith("-") and not line.startswith("- ")


def _line_row(line: str) -> _Found | None:
    if bsd := _BSD.fullmatch(line):
        tag, filename, digits = bsd.groups()
        algorithm = tag.lower().replace("sha2-", "sha").replace("-", "")
        return _found(filename, algorithm, digits)
    if gnu := _GNU.fullmatch(line):
        return _found(gnu[2], _algorithm_of_length(len(gnu[1])) or "other", gnu[1])
    if _BARE.fullmatch(line.strip()):
        digits = line.strip()
        return _found("", _algorithm_of_length(len(digits)) or "other", digits)
    return None


def _found(filename: str, algorithm: str, digits: str) -> _Found | None:
    """The row, unless it claims an algorithm whose digests have another length."""
    if _HEX_LENGTHS.get(algorithm, len(digits)) != len(digits):
        return None
    return _Found(filename, algorithm, digits.lower())


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise InvalidChecksumFile("The checksum file is not valid JSON.") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers differ in which of two equal keys they take, so a file with such keys says nothing.
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def _json_rows(document: object) -> Iterator[_Found]:
    members = _members(document)
    if members.get("kind") == "List":
        yield from _debian_rows(_items(members.get("items")))
    else:
        yield from _oracle_rows(members.values())


def _debian_rows(items: Iterable[object]) -> Iterator[_Found]:
    """Rows of a cloud.debian.org manifest: one per upload, digests in base64 without padding."""
    for item in map(_members, items):
        ref = _members(item.get("data")).get("ref")
        note = _members(_members(item.get("metadata")).get("annotations")).get("cloud.debian.org/digest")
        if item.get("kind") != "Upload" or not isinstance(ref, str) or not isinstance(note, str):
            continue
        algorithm, _, encoded = note.partition(":")
        row = _found(ref.rsplit("/", 1)[-1], algorithm, _base64_to_hex(encoded))
        if row:
            yield row


def _base64_to_hex(encoded: str) -> str:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).hex()
    except (binascii.Error, ValueError):
        return ""


def _oracle_rows(values: Iterable[object]) -> Iterator[_Found]:
    """Rows of a yum.oracle.com template file: one object per kind of image."""
    for value in map(_members, values):
        image, digits = value.get("image"), value.get("sha256")
        if isinstance(image, str) and isinstance(digits, str) and _HEX.fullmatch(digits.lower()):
            row = _found(image, "sha256", digits)
            if row:
                yield row


def _members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
