"""Images, as qemu-img sees them: a second opinion on foreign bytes, and other formats made of them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from image_library.domain.conversion import Compression, DiskInside, DiskReport, Shape
from image_library.domain.errors import (
    ConvertFailed,
    UnsafeBackingFile,
    UnsafeDataFile,
    UnsafeMetadata,
    UnsupportedFeature,
    VirtualSizeTooLarge,
    printable,
)
from image_library.domain.image import ImageFormat
from image_library.domain.qcow2 import HEADER_BYTES, MAX_SNAPSHOTS, MAX_VIRTUAL_SIZE, is_unclosed
from image_library.domain.sizes import in_words
from image_library.node.adapters.jail import Jail, JailLimits
from image_library.node.adapters.qemu_img.program import (
    DRIVERS,
    LOOK,
    MEMORY,
    QemuImgProgram,
    alone,
    chain,
    name_of,
    patient,
    tell_share,
)

# Of a conversion that writes nothing; more for every byte.
CONVERT = JailLimits(wall_seconds=600.0, cpu_seconds=120, memory=MEMORY)
_NO_PARENT = 0xFFFFFFFF
# One version, one size rule: what a VM sees has exactly the size that the source has.
_OPTIONS: dict[ImageFormat, tuple[str, ...]] = {
    ImageFormat.QCOW2: ("compat=1.1",),
    ImageFormat.VMDK: ("subformat=monolithicSparse",),
    ImageFormat.VHD: ("subformat=dynamic", "force_size=on"),
}
# How many pieces are on their way at once; the bytes that come out are the same. More wait for each other
# (bench/convert.py), but where each keeps a processor busy.
AT_ONCE, _AT_ONCE_COMPRESSED = "4", "16"
# What "check" ends with: all is well; or clusters are taken that nothing uses.
_WHOLE = frozenset({0, 3})
_COMPRESSED: dict[ImageFormat, tuple[str, ...]] = {
    ImageFormat.QCOW2: ("compat=1.1", "compression_type=zstd"),
}


class QemuImgImages:
    """``search_path`` is where the program is looked for (None: as PATH says)."""

    def __init__(
        self,
        jail: Jail,
        *,
        search_path: str | None = None,
        max_virtual_size: int = MAX_VIRTUAL_SIZE,
        look: JailLimits = LOOK,
        limits: JailLimits = CONVERT,
    ) -> None:
        self._program = QemuImgProgram(jail, search_path=search_path)
        self._max_virtual_size = max_virtual_size
        self._look = look
        self._limits = limits

    async def examine(self, descriptor: int, disk: DiskInside, *, name: str) -> DiskReport:
        """What the open image is, and that it needs no other file.

        Raises:
            UnsafeBackingFile, UnsafeDataFile, UnsafeMetadata, UnsupportedFeature, VirtualSizeTooLarge
            Besides those, the errors of ``QemuImgProgram.run``.
        """
        said = await self._program.run(
            "info", "--output=json", *_named(descriptor, disk), limits=self._look, readable=(descriptor,)
        )
        report = judge(_document(said), disk, name=name, max_virtual_size=self._max_virtual_size)
        if disk.format is ImageFormat.QCOW2:
            # Either reader's word is enough.
            beginning = await asyncio.to_thread(os.pread, descriptor, HEADER_BYTES, disk.offset)
            if report.dirty or is_unclosed(beginning):
                await self._check(descriptor, disk, name)
        return report

    async def _check(self, descriptor: int, disk: DiskInside, name: str) -> None:
        """That a qcow2 which was not closed has lost nothing but space. It is read, never repaired."""
        length = disk.length or os.fstat(descriptor).st_size
        try:
            said = await self._program.run(
                *("check", "--output=json", *_named(descriptor, disk)),
                # It reads tables only; with the smallest clusters they are less than this part of the file.
                limits=patient(self._look, length >> 5),
                readable=(descriptor,),
                good=_WHOLE,
            )
            found = _document(said)
            errors = [found.get(key, 0) for key in ("corruptions", "check-errors")]
        except ConvertFailed as error:
            raise _unclosed(name) from error
        if any(errors):
            raise _unclosed(name)

    async def measure(self, descriptor: int, disk: DiskInside, shape: Shape, *, virtual_size: int) -> int:
        """At most how many bytes the image needs as ``shape``, uncompressed.

        Raises:
            The errors of ``QemuImgProgram.run``.
        """
        # It measures two formats; the tables of the others are small beside the data, as these are.
        target = "raw" if shape.format is ImageFormat.RAW else "qcow2"
        said = await self._program.run(
            *("measure", "-O", target, "--output=json", chain(alone(descriptor, disk))),
            limits=patient(self._look, virtual_size),
            readable=(descriptor,),
        )
        needed = _document(said).get("required")
        return needed if isinstance(needed, int) else virtual_size

    async def convert(
        self,
        source: int,
        disk: DiskInside,
        target: int,
        shape: Shape,
        *,
        virtual_size: int,
        most: int,
        told: Callable[[float], None],
    ) -> None:
        """Writes the image in ``source`` as ``shape`` into ``target``, an empty file; at most ``most`` bytes.

        ``told`` hears how far it is, from 0 to 1. Nothing is durable until somebody syncs ``target``.

        Raises:
            The errors of ``QemuImgProgram.run``.
        """
        options = _OPTIONS.get(shape.format, ())
        how: tuple[str, ...] = ("-m", AT_ONCE)
        if shape.compression is not Compression.NONE:
            if shape.format not in _COMPRESSED:
                raise UnsupportedFeature(f"{shape.format.value} images cannot be compressed inside.")
            options, how = _COMPRESSED[shape.format], ("-c", "-m", _AT_ONCE_COMPRESSED)
        # No "-W": the same source gives the same bytes, and so the same digest, wherever it is converted.
        await self._program.run(
            *("convert", "-p", *how, "-O", DRIVERS[shape.format]),
            *(("-o", ",".join(options)) if options else ()),
            *(chain(alone(source, disk)), name_of(target)),
            limits=replace(patient(self._limits, virtual_size), file_size=most),
            readable=(source,),
            writable=(target,),
            heard=lambda chunk: tell_share(chunk, told),
        )


def _unclosed(name: str) -> UnsupportedFeature:
    return UnsupportedFeature(
        f"{name} was not closed properly (qcow2 feature bit 0, dirty, is set), and its tables are wrong.",
        remedy="Run qemu-img check -r all where it was made, and look at what is on it.",
    )


def _named(descriptor: int, disk: DiskInside) -> tuple[str, ...]:
    """The image itself, so that what it says of others is told and not overridden."""
    if disk.offset or disk.length:
        return (chain(alone(descriptor, disk)),)
    return ("-f", DRIVERS[disk.format], name_of(descriptor))


def _document(said: bytes) -> dict[str, Any]:
    try:
        found: object = json.loads(said)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConvertFailed("qemu-img said nothing that can be read.")
    return cast("dict[str, Any]", found)


def judge(said: dict[str, Any], disk: DiskInside, *, name: str, max_virtual_size: int) -> DiskReport:
    """The report, if the image stands alone, is plain and has a size that may be.

    Raises:
        UnsafeBackingFile, UnsafeDataFile, UnsafeMetadata, UnsupportedFeature, VirtualSizeTooLarge
    """
    size = said.get("virtual-size")
    if said.get("format") != DRIVERS[disk.format] or not isinstance(size, int):
        found = printable(str(said.get("format")))
        raise UnsupportedFeature(f"qemu-img takes {name} for {found}, not {disk.format.value}.")
    for key in ("backing-filename", "full-backing-filename"):
        if said.get(key):
            raise UnsafeBackingFile(f"{name} has the backing file '{printable(str(said[key]))}'.")
    if said.get("encrypted"):
        raise UnsupportedFeature(f"{name} is encrypted.")
    snapshots = len(said.get("snapshots") or ())
    if snapshots > MAX_SNAPSHOTS:
        raise UnsafeMetadata(f"{name} has {snapshots} snapshots; the limit is {MAX_SNAPSHOTS}.")
    children = len(said.get("children") or ())
    if children > 1:
        raise UnsafeDataFile(f"{name} needs {children} files.")
    about: dict[str, Any] = said.get("format-specific") or {}
    _judge_specific(about.get("data") or {}, name)
    if size > max_virtual_size:
        claim, limit = in_words(size), in_words(max_virtual_size)
        raise VirtualSizeTooLarge(f"{name} claims a disk of {claim}; the limit is {limit}.")
    return DiskReport(format=disk.format, virtual_size_bytes=size, dirty=bool(said.get("dirty-flag")))


def _judge_specific(specific: dict[str, Any], name: str) -> None:
    if specific.get("data-file"):
        raise UnsafeDataFile(f"{name} keeps its data in the file '{printable(str(specific['data-file']))}'.")
    if specific.get("corrupt"):
        raise UnsupportedFeature(f"{name} is marked as corrupt.")
    # Both of a VMDK.
    if specific.get("parent-cid", _NO_PARENT) != _NO_PARENT:
        raise UnsafeBackingFile(f"{name} names a parent file.")
    if len(specific.get("extents") or ()) > 1:
        raise UnsafeDataFile(f"{name} has several extents, which are files of their own.")
