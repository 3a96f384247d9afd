"""Images that are being built on or removed right now: never both at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from image_library.domain.errors import ImageInUse, ImageNotReady


class ImageHolds:
    """Used from one event loop. Digests are "sha256:HEX"."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._going: Counter[str] = Counter()

    @contextmanager
    def hold(self, digest: str) -> Generator[None]:
        """Keep an image until what is built on it is known to all.

        Raises:
            ImageNotReady: it is being removed.
        """
        if self._going[digest]:
            raise ImageNotReady(f"The image {digest[:19]} is being removed.")
        with _counted(self._held, digest):
            yield

    @contextmanager
    def removing(self, digest: str) -> Generator[None]:
        """Let nobody begin to build on an image.

        Raises:
            ImageInUse: somebody is doing so.
        """
        if self._held[digest]:
            raise ImageInUse("The image is being built on or read at this moment.", field="digest")
        with _counted(self._going, digest):
            yield


@contextmanager
def _counted(counter: Counter[str], digest: str) -> Generator[None]:
    counter[digest] += 1
    try:
        yield
    finally:
        counter[digest] -= 1
        if not counter[digest]:
            del counter[digest]
