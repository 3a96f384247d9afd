"""The checksum of one piece of an upload: looked at before anything of the piece is kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from image_library.domain.errors import UploadDamaged, UploadRefused, printable

# sha1 and md5 are of the protocol: they find damage on the way, and prove nothing else.
ALGORITHMS = ("sha256", "sha512", "sha1", "md5")
_IN_MEMORY = 8 << 20
_BLOCK = 1 << 20


@asynccontextmanager
async def checked(blocks: AsyncIterator[bytes], wanted: str) -> AsyncGenerator[AsyncGenerator[bytes]]:
    """The same blocks, all of them held back until they are proved to have the checksum.

    Raises:
        UploadRefused: ``wanted`` is not "ALGORITHM BASE64" of an algorithm known here.
        UploadDamaged: they have another checksum.
    """
    algorithm, digest = _parsed(wanted)
    counted = hashlib.new(algorithm, usedforsecurity=False)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as held:
        async for block in blocks:
            counted.update(block)
            held.write(block)
        if not hmac.compare_digest(counted.digest(), digest):
            raise UploadDamaged("The piece does not have the checksum that was sent with it.")
        held.seek(0)
        yield _read(held)


def _parsed(wanted: str) -> tuple[str, bytes]:
    algorithm, _, encoded = wanted.strip().partition(" ")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        digest = b""
    if algorithm not in ALGORITHMS or not digest:
        raise UploadRefused(f"'{printable(wanted)}' is no checksum.", field="Upload-Checksum")
    return algorithm, digest


async def _read(held: IO[bytes]) -> AsyncGenerator[bytes]:
    while block := held.read(_BLOCK):
        yield block
