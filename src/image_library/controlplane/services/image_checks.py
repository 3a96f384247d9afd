"""Having copies read again now, because somebody asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from image_library.controlplane.ports.node_images import NodeChecks
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.damage import damage
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.node_choice import find_node
from image_library.domain.errors import (
    ImageChanged,
    ImageIsLocal,
    ImageNotReady,
    LibraryError,
)
from image_library.domain.image import Image
from image_library.domain.node import Node
from image_library.domain.placing import CHANGED, DAMAGED, UNREAD, Check


class ImageChecks:
    def __init__(self, *, database: Database, images: ImageService, nodes: NodeChecks) -> None:
        self._database = database
        self._images = images
        self._nodes = nodes

    async def verify(self, name: str, named: Sequence[str]) -> AsyncGenerator[Check]:
        """One copy after the other, on the named nodes or wherever the image is; each ends with a result.

        A node that cannot do it is one result among the others.

        Raises:
            UnknownImage, AmbiguousImage, UnknownNode: a name means nothing.
            ImageIsLocal: nobody knows what an operator's file should be.
            ImageNotReady: the image is on none of those nodes.
        """
        image, nodes = await self._copies(name, named)
        for node in nodes:
            last = Check(node_id=node.id)
            try:
                async with aclosing(self._nodes.verify(node, image.digest)) as said:
                    async for last in said:
                        if not last.result:
                            yield last
                yield self._judged(last, image, node)
            except LibraryError as error:
                yield Check(node_id=node.id, result=UNREAD, error=error)

    def _judged(self, last: Check, image: Image, node: Node) -> Check:
        error: LibraryError | None = None
        if last.result == DAMAGED:
            error = damage(image, node)
        if last.result == CHANGED:
            error = ImageChanged(
                f"The bytes of '{image.title}' on {node.hostname} are right, but somebody touched the file.",
                remedy="Download or place it there again: only the file's times are taken anew.",
            )
        return Check(node_id=node.id, done=last.done, total=last.total, result=last.result, error=error)

    async def _copies(self, name: str, named: Sequence[str]) -> tuple[Image, list[Node]]:
        async with self._database.read() as records:
            image = await self._images.get_in(records, name)
            if image.placements and not image.digest:
                raise ImageIsLocal(f"'{image.title}' is an operator's file.", field="image")
            wanted = {(await find_node(records, node)).id for node in named}
            ids = [c.node_id for c in image.ready_placements if not wanted or c.node_id in wanted]
            found = [await records.nodes.get(node_id) for node_id in ids]
        if not found:
            raise ImageNotReady(f"'{image.title}' is not whole on any node that is meant.", field="image")
        return image, [node for node in found if node is not None]
