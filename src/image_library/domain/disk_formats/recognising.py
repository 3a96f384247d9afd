"""What an image is by its own marks, against what it is said to be."""

from __future__ import annotations

from pathlib import PurePath

from image_library.domain.disk_formats.reading import Reader
from image_library.domain.errors import (
    AmbiguousFormat,
    FormatMismatch,
    NotAnImage,
    UnsupportedFeature,
    printable,
)
from image_library.domain.image import ImageFormat
from image_library.domain.image_formats import BEGINNING, END, ambiguous, detect, marks, web_page_title

_RAW_NAMES = frozenset({".img", ".raw"})


def recognise(file: Reader, *, name: str, declared: ImageFormat | None) -> ImageFormat:
    """The format that it has.

    Raises:
        NotAnImage: it is none that anybody knows.
        AmbiguousFormat: it is several.
        FormatMismatch: it is not the declared one.
        UnsupportedFeature: it is one that is not taken.
    """
    end = file.read(max(0, file.size - END), END)
    return recognise_marks(file.read(0, BEGINNING), end, name=name, declared=declared)


def recognise_marks(beginning: bytes, end: bytes, *, name: str, declared: ImageFormat | None) -> ImageFormat:
    """The same, by the file's first bytes and its last ones. Raises: as ``recognise``."""
    if not beginning:
        raise NotAnImage(f"{name} is empty.")
    title = web_page_title(beginning)
    if title is not None:
        called = f' with the title "{printable(title)}"' if title else ""
        raise NotAnImage(f"{name} is a web page{called}, not a disk image.")
    several = marks(beginning, end)
    if ambiguous(several):
        raise AmbiguousFormat(f"{name} is {' and '.join(several)} at once.")
    found = detect(beginning, end) or ("raw" if _may_be_raw(name, declared) else "")
    if not found:
        raise NotAnImage(f"{name} is no disk image of a known format.")
    if declared is not None and found != declared.value:
        raise FormatMismatch(f"{name} should be {declared.value} but is {found}.", field="format")
    try:
        return ImageFormat(found)
    except ValueError:
        raise UnsupportedFeature(f"{name} is {found}, which is not supported.") from None


def recognise_early(beginning: bytes, *, name: str, declared: ImageFormat) -> None:
    """Refuse what cannot become such an image whatever follows. Raises: as ``recognise``."""
    if declared is ImageFormat.VHD and detect(beginning) in ("", "raw"):
        # The mark of a fixed VHD is at its end.
        declared = ImageFormat.RAW
    if declared is ImageFormat.ISO and len(beginning) < BEGINNING and detect(beginning) in ("", "raw"):
        declared = ImageFormat.RAW
    recognise_marks(beginning, b"", name=name, declared=declared)


def _may_be_raw(name: str, declared: ImageFormat | None) -> bool:
    """A disk without partitions has no mark; it is raw where somebody says so."""
    return declared is ImageFormat.RAW or (declared is None and PurePath(name).suffix in _RAW_NAMES)
