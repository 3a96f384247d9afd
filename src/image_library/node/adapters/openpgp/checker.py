"""Fulfils ``Signatures``: which pinned key made a signature, if any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pysequoia import Cert, Sig, verify

from image_library.domain.errors import (
    LibraryError,
    SignatureExpired,
    SignatureInvalid,
    SignatureKeyUnknown,
)
from image_library.domain.signature import SigningKey
from image_library.node.adapters.openpgp import primary_key
from image_library.node.adapters.openpgp.packets import Packet, fingerprint, key_packets, signature_packets

_OF_BYTES, _OF_TEXT = 0, 1
# What is told where several signatures fail: the one that comes closest to being right.
_CLOSEST_FIRST = (SignatureExpired, SignatureInvalid, SignatureKeyUnknown)


class OpenPgpSignatures:
    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    async def signer(
        self, content: bytes, signature: bytes, keys: Sequence[SigningKey], *, text: bool
    ) -> SigningKey:
        """As ``Signatures.signer``. The libraries are memory-safe, and see at most 1 MiB of each."""
        return await asyncio.to_thread(self._signer, content, signature, keys, text)

    def _signer(self, content: bytes, signature: bytes, keys: Sequence[SigningKey], text: bool) -> SigningKey:
        refused: list[LibraryError] = []
        pinned = [_PinnedKey(key) for key in keys]
        for packet in signature_packets(signature):
            try:
                return self._made_by(packet, content, pinned, text=text)
            except LibraryError as error:
                refused.append(error)
        raise min(refused, key=lambda error: _CLOSEST_FIRST.index(type(error)))  # pyright: ignore[reportArgumentType]

    def _made_by(
        self, packet: Packet, content: bytes, keys: Sequence[_PinnedKey], *, text: bool
    ) -> SigningKey:
        signature = _parsed(packet)
        if packet.signature_type not in ((_OF_TEXT,) if text else (_OF_BYTES, _OF_TEXT)):
            raise SignatureInvalid("The signature is not one of a file.")
        key = next((key for key in keys if key.made(signature)), None)
        if key is None:
            raise SignatureKeyUnknown(f"The signature is by {_issuer(signature) or 'an unnamed key'}.")
        key.check_alive(self._now())
        if signature.expiration is not None and signature.expiration <= self._now():
            raise SignatureExpired(f"The signature expired on {signature.expiration:%Y-%m-%d}.")
        key.check(packet, signature, content)
        return key.pinned


class _PinnedKey:
    """A pinned key as pysequoia reads it.

    Raises:
        SignatureInvalid: it is not the key of its fingerprint.
    """

    def __init__(self, pinned: SigningKey) -> None:
        self.pinned = pinned
        try:
            self._cert = Cert.from_bytes(pinned.armored.encode())
            keys = key_packets(bytes(self._cert))
        except Exception as error:
            raise SignatureInvalid(f"The pinned key {pinned.fingerprint} cannot be read.") from error
        self._primary = keys[0].body
        used = keys[:1] if pinned.primary_only else keys
        self._fingerprints = [fingerprint(key) for key in used]
        if self._fingerprints[0] != pinned.fingerprint:
            raise SignatureInvalid(f"The pinned key {pinned.fingerprint} is another one.")

    def made(self, signature: Sig) -> bool:
        """Whether the signature says so."""
        issuer = _issuer(signature)
        return bool(issuer) and any(own == issuer or own.endswith(issuer) for own in self._fingerprints)

    def check_alive(self, now: datetime) -> None:
        """Raises SignatureExpired. Also old signatures of such a key are refused: it can date them back."""
        named = f"The key {self.pinned.fingerprint} of {self.pinned.owner or 'the publisher'}"
        ends = self.pinned.expires
        if ends is not None and now.date() > ends:
            raise SignatureExpired(f"{named} expired on {ends}.")
        if self._cert.is_revoked:
            raise SignatureExpired(f"{named} was revoked.")
        if not self.pinned.primary_only:
            told = self._expiration()
            if told is not None and told <= now:
                raise SignatureExpired(f"{named} expired on {told:%Y-%m-%d}.")

    def _expiration(self) -> datetime | None:
        try:
            return self._cert.expiration
        except Exception as error:
            raise SignatureInvalid(
                f"The key {self.pinned.fingerprint} says what it is by SHA-1, which is not believed."
            ) from error

    def check(self, packet: Packet, signature: Sig, content: bytes) -> None:
        """Raises SignatureInvalid."""
        if self.pinned.primary_only:
            primary_key.check(content, packet.body, self._primary)
            return
        try:
            result = verify(bytes=content, store=self._certificates, signature=signature)
        except Exception as error:
            raise SignatureInvalid("The signature is not a valid one of these bytes.") from error
        if not any(str(one.certificate).upper() == self.pinned.fingerprint for one in result.valid_sigs):
            raise SignatureInvalid("The signature is not a valid one of these bytes.")

    def _certificates(self, _: object) -> list[Cert]:
        """Whatever key a signature says to be by: only this one can be it."""
        return [self._cert]


def _parsed(packet: Packet) -> Sig:
    try:
        return Sig.from_bytes(packet.whole)
    except Exception as error:
        raise SignatureInvalid("The signature is malformed, or it is none.") from error


def _issuer(signature: Sig) -> str:
    """The fingerprint of the key that says to have made it, or its last 16 digits."""
    return (signature.issuer_fingerprint or signature.issuer_key_id or "").upper()
