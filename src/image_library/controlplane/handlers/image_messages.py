"""Images as messages that were made already: an image that has not changed is the same message."""

from __future__ import annotations

from collections import OrderedDict

from image_library.domain.image import Image
from image_library.wire.image import image_to_wire
from limiquantix.storage.v1 import image_pb as pb

MOST = 20_000


class ImageMessages:
    """Messages are shared between answers: nobody changes one."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, tuple[int, pb.Image]] = OrderedDict()

    def of(self, image: Image) -> pb.Image:
        sequence, message = self._made.get(image.id, (-1, None))
        if message is None or sequence != image.sequence:
            message = image_to_wire(image)
            self._made[image.id] = image.sequence, message
            if len(self._made) > MOST:
                self._made.popitem(last=False)
        return message
