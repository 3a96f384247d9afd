"""Giving out the bytes of published images, for exports and for other nodes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from image_library.domain.errors import InvalidRequest
from image_library.node.ports.storage import ImageStore
from image_library.node.services.image_holds import ImageHolds

CHUNK_BYTES = 1 << 20


class ImageReading:
    def __init__(self, *, store: ImageStore, holds: ImageHolds) -> None:
        self._store = store
        self._holds = holds
        self._readers = 0

    @property
    def moving(self) -> bool:
        """Whether somebody is given bytes now."""
        return self._readers > 0

    async def read(self, digest: str, *, offset: int = 0, length: int = 0) -> AsyncGenerator[bytes]:
        """The bytes of the image "sha256:HEX" from ``offset`` on: ``length`` of them, or (0) all.

        The image is not removed while it is read.

        Raises:
            InvalidRequest: it has not so many bytes.
            ImageNotReady, ImageFileMissing, ImageChanged, ImageDamaged, StorageIo: it cannot be read.
        """
        with self._holds.hold(digest):
            blob = await self._store.open(digest)
            self._readers += 1
            try:
                end = offset + length if length else blob.size
                if not offset <= end <= blob.size:
                    raise InvalidRequest(f"The image has {blob.size} bytes.", field="offset")
                while offset < end:
                    block = await blob.read(offset, min(CHUNK_BYTES, end - offset))
                    offset += len(block)
                    yield block
            finally:
                self._readers -= 1
                await blob.close()
