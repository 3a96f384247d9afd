"""Checking a signature by nothing but a pinned RSA primary key.

For publishers whose key proves by SHA-1 alone whose it is (Ubuntu), or who sign in version 3 (openSUSE):
pysequoia's policy believes neither, and is right where a key has to prove whose it is. A pinned key has not.
The signature's own digest must be SHA-256 or longer all the same.
Sources: RFC 9580, sections 5.2.2 to 5.2.4 and 5.5.2; RFC 4880, section 5.2.2 for version 3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from image_library.domain.errors import SignatureInvalid

_RSA = (1, 3)
_LEAST_BITS = 2048
_DIGESTS: dict[int, hashes.HashAlgorithm] = {8: hashes.SHA256(), 9: hashes.SHA384(), 10: hashes.SHA512()}
_OTHER = "The signature is not of a kind that this key makes."


@dataclass(frozen=True)
class _Signature:
    digest: hashes.HashAlgorithm
    # What is hashed after the content.
    trailer: bytes
    # The first two bytes of the digest, as the signature states them.
    hint: bytes
    # The multiprecision integer.
    number: bytes


def check(content: bytes, signature: bytes, primary_key: bytes) -> None:
    """Whether the body of a signature packet is the signature of the content by the body of a key packet.

    Raises:
        SignatureInvalid: it is not, or is of another kind.
    """
    try:
        parsed = _version_3(signature) if signature[0] == 3 else _version_4(signature)
        key = _public_key(primary_key)
    except IndexError:
        raise SignatureInvalid("The signature is cut off.") from None
    digest = hashlib.new(parsed.digest.name, content + parsed.trailer).digest()
    value = parsed.number.rjust((key.key_size + 7) // 8, b"\0")
    try:
        key.verify(value, digest, padding.PKCS1v15(), Prehashed(parsed.digest))
    except InvalidSignature:
        raise SignatureInvalid("The signature is not that of these bytes.") from None
    if parsed.hint != digest[:2]:
        raise SignatureInvalid("The signature contradicts itself.")


def _version_3(body: bytes) -> _Signature:
    if body[1] != 5 or body[15] not in _RSA:
        raise SignatureInvalid(_OTHER)
    return _Signature(_digest(body[16]), body[2:7], body[17:19], _number(body[19:]))


def _version_4(body: bytes) -> _Signature:
    if body[0] != 4 or body[2] not in _RSA:
        raise SignatureInvalid(_OTHER)
    hashed_end = 6 + int.from_bytes(body[4:6], "big")
    hashed = body[:hashed_end]
    rest = hashed_end + 2 + int.from_bytes(body[hashed_end : hashed_end + 2], "big")
    trailer = hashed + b"\x04\xff" + len(hashed).to_bytes(4, "big")
    return _Signature(_digest(body[3]), trailer, body[rest : rest + 2], _number(body[rest + 2 :]))


def _digest(number: int) -> hashes.HashAlgorithm:
    if number not in _DIGESTS:
        raise SignatureInvalid("The signature is over a digest that is not believed any more.")
    return _DIGESTS[number]


def _number(data: bytes) -> bytes:
    """One multiprecision integer that fills ``data``."""
    number, rest = _split_number(data)
    if rest:
        raise SignatureInvalid("The signature is malformed, or it is none.")
    return number


def _split_number(data: bytes) -> tuple[bytes, bytes]:
    end = 2 + (int.from_bytes(data[:2], "big") + 7) // 8
    if len(data) < end or end == 2:
        raise SignatureInvalid("The signature is cut off.")
    return data[2:end], data[end:]


def _public_key(body: bytes) -> rsa.RSAPublicKey:
    if body[0] != 4 or body[5] not in _RSA:
        raise SignatureInvalid("The pinned key is not one that can be used by itself.")
    modulus, rest = _split_number(body[6:])
    exponent, _ = _split_number(rest)
    numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
    if numbers.n.bit_length() < _LEAST_BITS:
        raise SignatureInvalid("The pinned key is too short.")
    return numbers.public_key()
