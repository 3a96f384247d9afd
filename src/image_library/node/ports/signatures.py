"""Checking publishers' signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from image_library.domain.signature import SigningKey


class Signatures(Protocol):
    async def signer(
        self, content: bytes, signature: bytes, keys: Sequence[SigningKey], *, text: bool
    ) -> SigningKey:
        """The pinned key that signed these bytes; one valid signature of any of the keys is enough.

        ``signature`` is armored or binary and may hold several; the others are of no account. ``text``:
        it is the signature of a text, as cleartext signatures are.

        Raises:
            SignatureInvalid, SignatureKeyUnknown, SignatureExpired: there is none, and why.
        """
        ...
