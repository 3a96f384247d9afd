"""Images as messages that were made already: an image that has not changed is the same message."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from image_library.domain.catalog import Support
from image_library.domain.image import Image
from image_library.wire.image import image_to_wire
from limiquantix.storage.v1 import image_pb as pb

MOST = 5_000


class ImageMessages:
    """Messages are shared between answers: nobody changes one.

    ``support_of`` tells what the catalogue says of an image today.
    """

    def __init__(self, support_of: Callable[[Image], Support]) -> None:
        self._support_of = support_of
        self._made: OrderedDict[str, tuple[int, Support, pb.Image]] = OrderedDict()

    def of(self, image: Image) -> pb.Image:
        today = self._support_of(image)
        sequence, support, message = self._made.get(image.id, (-1, today, None))
        if message is None or sequence != image.sequence or support != today:
            message = image_to_wire(image, today)
            self._made[image.id] = image.sequence, today, message
            if len(self._made) > MOST:
                self._made.popitem(last=False)
        return message
