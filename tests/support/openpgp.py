"""Publishers' OpenPGP keys and signatures, made while a test runs.

``Publisher`` signs as publishers do today. ``OldPublisher`` is put together byte by byte (RFC 9580,
section 5), since nothing else makes signatures of version 3 or with SHA-1 any more.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cached_property

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pysequoia import Cert, SignatureMode, Tsk, sign

from image_library.domain.signature import SigningKey

CREATED = 1_600_000_000
_HASHES: dict[str, tuple[int, hashes.HashAlgorithm]] = {
    "sha1": (2, hashes.SHA1()),
    "sha256": (8, hashes.SHA256()),
    "sha512": (10, hashes.SHA512()),
}


class Publisher:
    """A key of today's kind: a primary key that certifies, and a subkey that signs."""

    def __init__(self, name: str = "Some Publisher", *, seconds: int | None = None) -> None:
        self._secret = Tsk.generate(user_id=f"{name} <sign@publisher.example>", validity_seconds=seconds)
        self.name = name

    @property
    def certificate(self) -> Cert:
        return self._secret.extract_certificate()

    def revoked(self) -> SigningKey:
        """The key as it is after its owner revoked it."""
        revocation = self.certificate.revoke(self._secret.certifier())
        return self._pinned(Cert.from_bytes(bytes(self.certificate) + bytes(revocation)))

    @property
    def key(self) -> SigningKey:
        return self._pinned(self.certificate)

    def _pinned(self, certificate: Cert) -> SigningKey:
        fingerprint = certificate.fingerprint.upper()
        return SigningKey(fingerprint=fingerprint, armored=str(certificate), owner=self.name)

    def detached(self, content: bytes, *, armor: bool = True) -> bytes:
        return sign(self._secret.signer(), content, mode=SignatureMode.DETACHED, armor=armor)

    def clearsigned(self, content: bytes) -> bytes:
        return sign(self._secret.signer(), content, mode=SignatureMode.CLEAR)

    def inline(self, content: bytes) -> bytes:
        """A signed message, as no publisher of images makes one."""
        return sign(self._secret.signer(), content)


class OldPublisher:
    """An RSA key whose word about itself, and whose signatures, are of any age."""

    def __init__(self, *, self_signed_by: str = "sha1", bits: int = 2048) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self._self_signed_by = self_signed_by

    @cached_property
    def _key_body(self) -> bytes:
        numbers = self._private.public_key().public_numbers()
        return b"\x04" + CREATED.to_bytes(4, "big") + b"\x01" + _number(numbers.n) + _number(numbers.e)

    @property
    def fingerprint(self) -> str:
        named = b"\x99" + len(self._key_body).to_bytes(2, "big") + self._key_body
        return hashlib.sha1(named).hexdigest().upper()

    @property
    def armored(self) -> str:
        user = b"Old Publisher <old@publisher.example>"
        over = b"\x99" + len(self._key_body).to_bytes(2, "big") + self._key_body
        over += b"\xb4" + len(user).to_bytes(4, "big") + user
        # Key flags: it certifies and signs.
        own = self._version_4(over, kind=0x13, digest=self._self_signed_by, more=b"\x02\x1b\x03")
        packets = _packet(6, self._key_body) + _packet(13, user) + own
        return _armor(packets, "PUBLIC KEY BLOCK")

    def key(self, *, primary_only: bool = True) -> SigningKey:
        return SigningKey(
            fingerprint=self.fingerprint, armored=self.armored, owner="Old", primary_only=primary_only
        )

    def detached(self, content: bytes, *, version: int = 4, digest: str = "sha512", kind: int = 0) -> bytes:
        make = self._version_3 if version == 3 else self._version_4
        return make(content, kind=kind, digest=digest)

    def armored_signature(self, content: bytes) -> bytes:
        return _armor(self.detached(content), "SIGNATURE").encode()

    def _version_3(self, content: bytes, *, kind: int, digest: str) -> bytes:
        number, algorithm = _HASHES[digest]
        hashed = bytes([kind]) + CREATED.to_bytes(4, "big")
        issuer = bytes.fromhex(self.fingerprint[-16:])
        body = b"\x03\x05" + hashed + issuer + bytes([1, number])
        return _packet(2, body + self._signed(content + hashed, algorithm))

    def _version_4(self, content: bytes, *, kind: int, digest: str, more: bytes = b"") -> bytes:
        number, algorithm = _HASHES[digest]
        made = b"\x05\x02" + CREATED.to_bytes(4, "big")
        issuer = b"\x16\x21\x04" + bytes.fromhex(self.fingerprint)
        about = made + issuer + more
        hashed = bytes([4, kind, 1, number]) + len(about).to_bytes(2, "big") + about
        trailer = hashed + b"\x04\xff" + len(hashed).to_bytes(4, "big")
        return _packet(2, hashed + b"\x00\x00" + self._signed(content + trailer, algorithm))

    def _signed(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        hint = hashlib.new(algorithm.name, data).digest()[:2]
        value = self._private.sign(data, padding.PKCS1v15(), algorithm)
        return hint + _number(int.from_bytes(value, "big"))


def _number(value: int) -> bytes:
    bits = value.bit_length()
    return bits.to_bytes(2, "big") + value.to_bytes((bits + 7) // 8, "big")


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body


def _armor(packets: bytes, kind: str) -> str:
    encoded = base64.encodebytes(packets).decode()
    return f"-----BEGIN PGP {kind}-----\n\n{encoded}-----END PGP {kind}-----\n"
