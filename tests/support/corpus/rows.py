"""What a row of the hostile corpus says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from image_library.domain.image import ImageFormat


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """An image that must be refused."""

    name: str
    # The attack's number in the list of attacks, such as "A01".
    attack: str
    # The refusal's.
    code: str
    # Is given the path of a file that must never be opened.
    build: Callable[[str], bytes]
    # What it is said to be; None: nothing is said.
    declared: ImageFormat | None = None
    # As what QEMU is to open it in the jail, without an inspection; empty: that tests no jail.
    driver: str = ""


BACKING, DATA_FILE, EXTENT = "image.unsafe.backing_file", "image.unsafe.data_file", "image.unsafe.vmdk_extent"
BOMB, HUGE, FEATURE = "image.unsafe.metadata_bomb", "image.too_large.virtual", "image.unsupported.feature"
MISMATCH, AMBIGUOUS = "image.format_mismatch", "image.ambiguous_format"
NO_IMAGE, TRUNCATED, ARCHIVE = "image.not_an_image", "image.truncated", "image.archive.unsupported"
