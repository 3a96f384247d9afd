"""What is known of a guest from its image alone."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.guest_facts import GuestFacts
from image_library.domain.image import ImageFormat


class GuestInspector(Protocol):
    """Foreign bytes: what is read from them may be empty or wrong, but reading does no harm and ends."""

    async def read(self, path: str, image_format: ImageFormat) -> GuestFacts:
        """The facts inside the image file at an absolute path, without booting or mounting it.

        Never raises: what cannot be read stays empty, and ``reason`` says why.
        """
        ...
