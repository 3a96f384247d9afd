"""What of a publisher's file its signature covers, and who signed that."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.domain.checksum import MAX_CHECKSUM_FILE_BYTES
from image_library.domain.errors import (
    SignatureExpired,
    SignatureInvalid,
    SignatureKeyUnknown,
    SignatureMissing,
    SizeExceeded,
    SourceNotFound,
    printable,
)
from image_library.domain.origin import shown_url
from image_library.domain.signature import (
    MAX_SIGNATURE_BYTES,
    SignatureKind,
    SignatureSource,
    SigningKey,
    read_cleartext,
)
from image_library.node.ports.fetching import SmallFiles, Source, Tell
from image_library.node.ports.signatures import Signatures

_REFUSALS = (SignatureMissing, SignatureInvalid, SignatureKeyUnknown, SignatureExpired)


@dataclass(frozen=True, kw_only=True)
class Proving:
    """How a signature is fetched and checked, and who is told what is waited for."""

    files: SmallFiles
    signatures: Signatures
    waiting: Tell
    fresh: bool

    async def signed_part(
        self, content: bytes, source: SignatureSource, *, shown: str
    ) -> tuple[bytes, SigningKey]:
        """The part of the file that one of the pinned keys has signed, and that key.

        ``shown`` names the file in messages.

        Raises:
            SignatureMissing, SignatureInvalid, SignatureKeyUnknown, SignatureExpired: there is none.
            The errors of ``SmallFiles.read_small``, but for a signature that is not there or too large.
        """
        try:
            if len(content) > MAX_CHECKSUM_FILE_BYTES:
                raise SignatureInvalid("The checksum file is larger than 1 MiB.")
            if source.kind is SignatureKind.CLEARSIGNED:
                clear = read_cleartext(content)
                return clear.text, await self._signer(clear.text, clear.signature, source)
            shown = shown_url(source.url)
            return content, await self._signer(content, await self._fetched(source.url), source)
        except _REFUSALS as error:
            raise type(error)(f"{error.message.rstrip('.')} ({printable(shown)}).") from None

    async def _signer(self, content: bytes, signature: bytes, source: SignatureSource) -> SigningKey:
        text = source.kind is SignatureKind.CLEARSIGNED
        return await self.signatures.signer(content, signature, source.keys, text=text)

    async def _fetched(self, url: str) -> bytes:
        try:
            return await self.files.read_small(
                Source(url=url, fresh=self.fresh), limit=MAX_SIGNATURE_BYTES, waiting=self.waiting
            )
        except SourceNotFound:
            raise SignatureMissing("The source has no signature of the checksum file.") from None
        except SizeExceeded:
            raise SignatureInvalid("The signature is larger than 1 MiB.") from None
