"""The bytes of an image, from whichever node has them, and from the next one when that breaks off."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from image_library.controlplane.ports.node_images import NodeImages
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.images import ImageService
from image_library.domain.errors import (
    ImageFileMissing,
    ImageIsLocal,
    ImageNotReady,
    LibraryError,
    NodeUnreachable,
    printable,
)
from image_library.domain.image import Image, ImageFormat
from image_library.domain.node import Node, NodePhase

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image as a file: ``digest`` is "sha256:HEX" of all its ``size`` bytes."""

    filename: str
    digest: str
    size: int
    holders: tuple[Node, ...]


class ImageBytes:
    def __init__(self, *, database: Database, images: ImageService, nodes: NodeImages) -> None:
        self._database = database
        self._images = images
        self._nodes = nodes

    async def find(self, name: str) -> ImageFile:
        """The file of the image that is called so.

        Raises:
            UnknownImage, AmbiguousImage: the name means no image, or several.
            ImageIsLocal: it is an operator's file, whose bytes the library does not answer for.
            ImageNotReady, NodeUnreachable: nobody has it, or nobody who answers.
        """
        return await self._file(await self._images.get(name))

    async def with_digest(self, digest: str) -> ImageFile:
        """The file with this digest.

        Raises:
            ImageNotReady, NodeUnreachable: nobody has it, or nobody who answers.
        """
        async with self._database.read() as records:
            found = [i for i in await records.images.with_digest(digest) if i.ready_placements]
        if not found:
            raise ImageNotReady(f"No node has the image {printable(digest)}.", field="digest")
        return await self._file(found[0])

    async def _file(self, image: Image) -> ImageFile:
        if image.ready_placements and not image.digest:
            remedy = "It becomes the library's own when a VM is made of it, or by 'limiquantix images adopt'."
            raise ImageIsLocal(f"'{image.name}' is a file that an operator put on a node.", remedy=remedy)
        holders = await self._holders(image)
        suffix = "img" if image.format is ImageFormat.RAW else image.format.value
        return ImageFile(
            filename=f"{image.title}.{suffix}", digest=image.digest, size=image.size_bytes, holders=holders
        )

    async def _holders(self, image: Image) -> tuple[Node, ...]:
        async with self._database.read() as records:
            known = [await records.nodes.get(copy.node_id) for copy in image.ready_placements]
        if not known or not image.digest:
            raise ImageNotReady(f"'{image.name}' is not whole on any node.")
        ready = tuple(node for node in known if node and node.phase is NodePhase.READY)
        if not ready:
            names = ", ".join(node.hostname for node in known if node)
            raise NodeUnreachable(f"'{image.name}' is on {names}, which does not answer.")
        return ready

    async def read(self, file: ImageFile, *, start: int, stop: int) -> AsyncGenerator[bytes]:
        """The bytes from ``start`` up to ``stop``.

        Raises:
            NodeUnreachable, ImageFileMissing: no holder gave them all.
        """
        last: LibraryError = ImageFileMissing(f"No node gives the bytes of {file.filename}.")
        for node in file.holders:
            try:
                blocks = self._nodes.read(node, file.digest, offset=start, length=stop - start)
                async with aclosing(blocks):
                    async for block in blocks:
                        # Never more than was announced, whatever a node sends.
                        block = block[: stop - start]
                        start += len(block)
                        yield block
                        if start >= stop:
                            return
            except LibraryError as error:
                log.warning("holder_broke_off", node_id=node.id, digest=file.digest, code=error.code)
                last = error
            if start >= stop:
                return
        raise last
