"""What an image's own bytes can be refused for."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class NotAnImage(LibraryError):
    """The bytes are no disk image: empty, HTML, or of no known format."""

    code = "image.not_an_image"
    kind = Kind.PRECONDITION
    remedy_default = "Check the URL in a browser; a login page or an error page often hides behind it."


class FormatMismatch(LibraryError):
    """The bytes are of another format than declared."""

    code = "image.format_mismatch"
    kind = Kind.INVALID
    remedy_default = "Declare the format that the file has."


class AmbiguousFormat(LibraryError):
    """The bytes are several formats at once: each program would find another disk in them."""

    code = "image.ambiguous_format"
    kind = Kind.PRECONDITION
    remedy_default = "Do not use this image; take one that is of one format only."


class ImageTruncated(LibraryError):
    """The image refers to bytes beyond its end."""

    code = "image.truncated"
    kind = Kind.DATA_LOSS
    remedy_default = "Fetch it again."


class UnsafeBackingFile(LibraryError):
    """The image names a backing file, which would open another file of the host."""

    code = "image.unsafe.backing_file"
    kind = Kind.PRECONDITION
    remedy_default = "Flatten it first: 'qemu-img convert -O qcow2 IN OUT'."


class UnsafeDataFile(LibraryError):
    """The image names an external data file, which would open another file of the host."""

    code = "image.unsafe.data_file"
    kind = Kind.PRECONDITION
    remedy_default = "Convert it to a plain qcow2 first."


class UnsafeVmdkExtent(LibraryError):
    """The VMDK is more than one sparse file: its descriptor names other files of the host."""

    code = "image.unsafe.vmdk_extent"
    kind = Kind.PRECONDITION
    remedy_default = "Export it as one file: a streamOptimized or monolithicSparse VMDK."


class UnsafeMetadata(LibraryError):
    """The image's tables are absurdly large, or lead astray: made to exhaust or deceive whoever opens it."""

    code = "image.unsafe.metadata_bomb"
    kind = Kind.PRECONDITION
    remedy_default = "Do not use this image."


class UnsupportedFeature(LibraryError):
    """The image uses a feature that is not supported."""

    code = "image.unsupported.feature"
    kind = Kind.PRECONDITION
    remedy_default = "Convert it to a plain qcow2 first."


class UnsupportedArchive(LibraryError):
    """The archive is not one machine with one disk in plain files, or is packed wrongly or more than once."""

    code = "image.archive.unsupported"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Export one virtual machine with one disk as an OVA, or import the disk itself: packed at most once, "
        "by xz, gzip, zstd or bzip2."
    )


class VirtualSizeTooLarge(LibraryError):
    """The image claims a virtual size beyond the limit."""

    code = "image.too_large.virtual"
    kind = Kind.PRECONDITION
    remedy_default = "Raise max_virtual_size if the image is really that large."
