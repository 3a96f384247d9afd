"""What is said of a copy whose bytes have changed, and what makes it whole again."""

from __future__ import annotations

from image_library.domain.errors import ImageDamaged
from image_library.domain.image import Image
from image_library.domain.node import Node

# As the plan of an upload notes where an image came from.
UPLOADED = "upload"


def damage(image: Image, node: Node) -> ImageDamaged:
    remedy = ""
    elsewhere = any(copy.node_id != node.id for copy in image.ready_placements)
    if image.origin == UPLOADED and not elsewhere:
        remedy = f"Upload the same file again, under any name: '{image.name}' is whole then, too."
    words = f"The bytes of '{image.title}' have changed on the disk of {node.hostname}."
    return ImageDamaged(words, remedy=remedy) if remedy else ImageDamaged(words)
