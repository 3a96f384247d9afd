"""What somebody wants to import, judged before anything is recorded: the source, its proof, its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from image_library.domain.checksum import known_algorithm, parse_digest
from image_library.domain.conversion import Packing, Shape, wished_shape
from image_library.domain.errors import InvalidName, InvalidRequest, printable
from image_library.domain.identity import valid_name
from image_library.domain.image import ImageFormat, Requirements, Visibility
from image_library.domain.os_detection import detect_os
from image_library.domain.os_info import OsInfo
from image_library.domain.source_url import file_name, judge_source

# No file system that we know takes a larger file.
LARGEST_FILE = (1 << 63) - 1
_FORMATS = {image_format.value: image_format for image_format in ImageFormat}
# Endings of archives, which hold files and not one disk.
_ARCHIVES = frozenset(["zip", "7z", "tar", "tgz", "txz"])
# Endings that say nothing of what is inside; the bytes themselves say whether they are packed.
_PACKED = frozenset(packing.value for packing in Packing) | {"zstd", "bz"}


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is said of a new image; empty fields are chosen by us."""

    name: str = ""
    description: str = ""
    project_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    visibility: Visibility = Visibility.PRIVATE
    os: OsInfo = OsInfo()
    requirements: Requirements = Requirements()
    catalog_id: str = ""
    format: ImageFormat | None = None


@dataclass(frozen=True, kw_only=True)
class ImportWish:
    """A source, and what is said of the image that it is to become."""

    image: Description
    url: str
    checksum: str = ""
    checksum_type: str = ""
    checksum_url: str = ""
    # Bytes that the file must have; 0 where nobody says.
    size_bytes: int = 0
    # Id or host name of a node, and the id of a node's store.
    node: str = ""
    pool_id: str = ""
    # The format's name.
    format: str = ""
    # What it becomes: as ``wished_shape`` reads it.
    target_format: str = ""
    target_compression: str = ""
    # The caller's idempotency key.
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class ImportSource:
    """Where the bytes come from, and what proves them; a node can be asked for it as it is."""

    url: str
    filename: str
    format: ImageFormat
    # What it becomes; None: as it came.
    wanted: Shape | None = None
    # "sha256" or "sha512"; empty: the strongest that the checksum file has.
    algorithm: str = ""
    digest: str = ""
    checksum_url: str = ""
    # Bytes; 0 where nobody says.
    size_bytes: int = 0

    @property
    def unverified(self) -> bool:
        return not (self.digest or self.checksum_url)


def judged(wish: ImportWish) -> ImportSource:
    """The source of the wish.

    Raises:
        UrlNotAllowed, InvalidDigest, InvalidRequest: no node would fetch it so.
    """
    algorithm, digest = _proof(wish)
    judge_source(wish.url, proved=bool(digest or wish.checksum_url))
    if wish.checksum_url:
        judge_source(wish.checksum_url, proved=False, field="checksum_url")
    filename = file_name(wish.url)
    return ImportSource(
        url=wish.url,
        filename=filename,
        format=wish.image.format or _format(wish.format, filename),
        wanted=wished_shape(wish.target_format, wish.target_compression, field="target_format"),
        algorithm=algorithm,
        digest=digest,
        checksum_url=wish.checksum_url,
        size_bytes=_size(wish.size_bytes),
    )


def _proof(wish: ImportWish) -> tuple[str, str]:
    """Algorithm and digest; without a checksum the digest is empty."""
    named = known_algorithm(wish.checksum_type) if wish.checksum_type else ""
    if not wish.checksum:
        return (named, "") if wish.checksum_url else ("sha256", "")
    if wish.checksum_url:
        raise InvalidRequest(
            "Both a checksum and a checksum file are given.", remedy="Give one of them.", field="checksum_url"
        )
    digest = parse_digest(wish.checksum, algorithm=named)
    return digest.algorithm, digest.hex


def _size(wished: int) -> int:
    if wished > LARGEST_FILE:
        raise InvalidRequest(f"No file has {wished} bytes.", field="size_bytes")
    return wished


def _format(named: str, filename: str) -> ImageFormat:
    if named:
        return known_format(named.lower())
    said = ending(filename)
    if said in _ARCHIVES:
        raise InvalidRequest(
            f"'{printable(filename)}' is a {said} file by its name, which nodes do not take.",
            remedy="Import one disk image; if it is one, say so in 'format'.",
            field="format",
        )
    return _FORMATS.get(said, ImageFormat.QCOW2)


def ending(filename: str) -> str:
    """The file name's ending, small, without that of a packer behind it."""
    stem, _, last = filename.lower().rpartition(".")
    return stem.rpartition(".")[2] if last in _PACKED else last


def known_format(named: str) -> ImageFormat:
    """The format with this name. Raises InvalidRequest."""
    if named not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise InvalidRequest(
            f"The format '{printable(named)}' is not taken.", remedy=f"Use {known}.", field="format"
        )
    return _FORMATS[named]


def name_for(wished: str, of_file: str) -> str:
    """The wished name, or that of the file.

    Raises:
        InvalidName: it cannot be one, or neither gives one.
    """
    name = wished or of_file
    if not name:
        raise InvalidName("Neither the request nor the URL names the image.", field="name")
    return valid_name(name)


def told_os(said: OsInfo, filename: str) -> OsInfo:
    """What is said, and what the file's name adds to it where it speaks of the same system."""
    seen = detect_os(filename)
    if said.distribution not in ("", seen.distribution) or said.version not in ("", seen.version):
        return replace(said, architecture=said.architecture or seen.architecture)
    nothing = OsInfo()
    names = [f.name for f in fields(OsInfo)]
    return replace(seen, **{n: getattr(said, n) for n in names if getattr(said, n) != getattr(nothing, n)})
