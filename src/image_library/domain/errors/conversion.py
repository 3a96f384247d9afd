"""What unpacking and converting an image can fail with."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class ConvertKilled(LibraryError):
    """qemu-img was ended by a signal, twice: out of memory, as a rule, or an image made to crash it."""

    code = "convert.killed"
    kind = Kind.UNAVAILABLE
    remedy_default = "See that the node has memory to spare, and try once more."


class ConvertFailed(LibraryError):
    """qemu-img refused to read or convert the image."""

    code = "convert.failed"
    kind = Kind.PRECONDITION
    remedy_default = "The reason is qemu-img's own; the image is probably damaged."


class ConvertNeedless(LibraryError):
    """The image has the wanted format already, or is a disc, which becomes no disk."""

    code = "convert.needless"
    kind = Kind.INVALID
    remedy_default = "Use the image as it is."


class AllocatedTooLarge(LibraryError):
    """Small tables unfold to more bytes than the image claims to have."""

    code = "image.too_large.allocated"
    kind = Kind.PRECONDITION
    remedy_default = "Do not use this image."


class DecompressLimit(LibraryError):
    """Unpacked, the file would be larger than it may, or unpacking it would take too much memory."""

    code = "image.decompress.limit"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Raise max_virtual_size if it is really that large; pack it without '--ultra' and '--long'."
    )
