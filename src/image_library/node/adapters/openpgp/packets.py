"""Signature packets as bytes, taken apart strictly before any library sees them (RFC 9580, section 4).

Nothing but signatures may be there: a compressed packet, say, could grow without end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from image_library.domain.errors import SignatureInvalid
from image_library.domain.signature import MAX_SIGNATURE_BYTES, read_armor

_SIGNATURE = 2
_KEYS = (6, 14)
MOST_SIGNATURES = 20


@dataclass(frozen=True)
class Packet:
    tag: int
    # With its header, and without.
    whole: bytes
    body: bytes

    @property
    def signature_type(self) -> int:
        """Of a signature: 0 of bytes, 1 of a text (RFC 9580, section 5.2.1)."""
        kind = self.body[2:3] if self.body[0] == 3 else self.body[1:2]
        return kind[0] if kind else -1


def signature_packets(content: bytes) -> tuple[Packet, ...]:
    """The signatures of a file, at least one.

    Raises:
        SignatureInvalid: it is too large, malformed, or holds anything else.
    """
    if len(content) > MAX_SIGNATURE_BYTES:
        raise SignatureInvalid("The signature is larger than 1 MiB.")
    found = tuple(_packets(read_armor(content)))
    if any(packet.tag != _SIGNATURE for packet in found):
        raise SignatureInvalid("The signature is malformed, or it is none.")
    if not found:
        raise SignatureInvalid("The signature is empty.")
    if len(found) > MOST_SIGNATURES:
        raise SignatureInvalid(f"There are more than {MOST_SIGNATURES} signatures.")
    return found


def key_packets(certificate: bytes) -> tuple[Packet, ...]:
    """The keys of a certificate in binary form, the primary key first. Raises SignatureInvalid."""
    return tuple(packet for packet in _packets(certificate) if packet.tag in _KEYS)


def fingerprint(key: Packet) -> str:
    """Of a key, in upper-case hexadecimal. Source: RFC 9580, section 5.5.4."""
    body = key.body
    if body[0] == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    named = b"\x99" + len(body).to_bytes(2, "big") + body
    return hashlib.sha1(named, usedforsecurity=False).hexdigest().upper()


def _packets(data: bytes) -> Iterator[Packet]:
    at = 0
    while at < len(data):
        tag, start, length = _header(data, at)
        body = data[start : start + length]
        if len(body) != length or not body:
            raise SignatureInvalid("The signature is malformed, or it is none.")
        yield Packet(tag, data[at : start + length], body)
        at = start + length


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """A packet's tag, where its body begins, and the body's length, which must be told beforehand."""
    first = data[at]
    if first & 0xC0 == 0xC0:
        return (first & 0x3F, *_new_length(data, at + 1))
    if first & 0x80 and first & 0x03 < 3:
        size = 1 << (first & 0x03)
        end = at + 1 + size
        return (first >> 2) & 0x0F, end, int.from_bytes(data[at + 1 : end], "big")
    raise SignatureInvalid("The signature is malformed, or it is none.")


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at] if at < len(data) else 0
    if first < 192:
        return at + 1, first
    if first < 224:
        second = data[at + 1] if at + 1 < len(data) else 0
        return at + 2, ((first - 192) << 8) + second + 192
    if first == 255:
        return at + 5, int.from_bytes(data[at + 1 : at + 5], "big")
    raise SignatureInvalid("The signature has no length.")
