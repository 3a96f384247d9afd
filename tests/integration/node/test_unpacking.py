"""Packed files, in the jail: good ones, cut ones, ones with something behind their end, and bombs."""

from __future__ import annotations

import lzma
import os
import random
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from image_library.domain.conversion import Packing, packing_of
from image_library.domain.errors import (
    DecompressLimit,
    ImageTruncated,
    JailMissing,
    LibraryError,
    StorageFull,
    UnsupportedArchive,
)
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.unpacking import JailedUnpacker
from tests.support.disks import MIB, packed

CONTENT = random.Random(1).randbytes(3 * MIB) + bytes(5 * MIB) + b"the end"
UNPACKER = JailedUnpacker(Jail(best_wall()))


async def unpacked(
    content: bytes,
    packing: Packing,
    target: Path,
    *,
    most: int = 64 * MIB,
    room: int = 64 * MIB,
    unpacker: JailedUnpacker = UNPACKER,
) -> list[float]:
    source, heard = target.with_suffix(".packed"), list[float]()
    source.write_bytes(content)
    read, written = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        await unpacker.unpack(read, packing, written, name="it", most=most, room=room, told=heard.append)
    finally:
        os.close(read)
        os.close(written)
    return heard


@pytest.mark.parametrize("packing", Packing)
async def test_what_was_packed_comes_out_with_holes(tmp_path: Path, packing: Packing) -> None:
    target = tmp_path / "it"
    content = packed(CONTENT, packing)
    assert packing_of(content[:6]) is packing
    heard = await unpacked(content, packing, target)
    assert target.read_bytes() == CONTENT
    assert target.stat().st_blocks * 512 < 4 * MIB
    assert heard == sorted(heard)


@pytest.mark.parametrize("packing", Packing)
async def test_members_one_after_the_other_are_one_file(tmp_path: Path, packing: Packing) -> None:
    target = tmp_path / "it"
    one = packed(b"one" * 1000, packing)
    await unpacked(one * 64, packing, target)
    assert target.read_bytes() == b"one" * 64_000
    for content in (one * 65, packed(b"", packing) * 100_000):
        with pytest.raises(DecompressLimit, match="64 members"):
            await unpacked(content, packing, target)


@pytest.mark.parametrize("packing", Packing)
async def test_one_that_is_cut_is_called_so(tmp_path: Path, packing: Packing) -> None:
    content = packed(CONTENT, packing)
    for length in (len(content) - 1, len(content) // 2, 20):
        with pytest.raises(ImageTruncated):
            await unpacked(content[:length], packing, tmp_path / "it")


@pytest.mark.parametrize("packing", Packing)
async def test_nothing_may_follow_its_end(tmp_path: Path, packing: Packing) -> None:
    with pytest.raises((UnsupportedArchive, ImageTruncated)):
        await unpacked(packed(CONTENT, packing) + b"and more of it", packing, tmp_path / "it")


@pytest.mark.parametrize("packing", Packing)
async def test_damage_is_noticed(tmp_path: Path, packing: Packing) -> None:
    content = bytearray(packed(CONTENT, packing))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises((UnsupportedArchive, ImageTruncated, DecompressLimit)):
        await unpacked(bytes(content), packing, tmp_path / "it")


@pytest.mark.parametrize("packing", [Packing.XZ, Packing.GZIP])
async def test_zeros_that_fill_up_a_file_are_passed_over(tmp_path: Path, packing: Packing) -> None:
    one = packed(b"x", packing)
    await unpacked(one + bytes(1024) + one + bytes(1 << 20), packing, tmp_path / "it")
    assert (tmp_path / "it").read_bytes() == b"xx"


def bomb(packing: Packing) -> bytes:
    """Much of nothing."""
    zeros = bytes(64 * MIB)
    if packing is Packing.ZSTD:
        return zstandard.ZstdCompressor(level=19).compress(zeros)
    return packed(zeros, packing)


@pytest.mark.parametrize("packing", Packing)
async def test_a_bomb_stops_at_its_bound(tmp_path: Path, packing: Packing) -> None:
    target, content = tmp_path / "it", bomb(packing)
    assert len(content) < MIB
    for most in (8 * MIB, 64 * MIB - 1):
        with pytest.raises(DecompressLimit, match=f"more than {most} bytes"):
            await unpacked(content, packing, target, most=most)
        assert target.stat().st_size <= most
    await unpacked(content, packing, target, most=64 * MIB, room=0)
    assert target.stat().st_size == 64 * MIB
    assert target.stat().st_blocks == 0


@pytest.mark.parametrize("packing", Packing)
async def test_no_more_is_written_than_there_is_room_for(tmp_path: Path, packing: Packing) -> None:
    with pytest.raises(StorageFull):
        await unpacked(packed(CONTENT, packing), packing, tmp_path / "it", room=MIB)
    assert (tmp_path / "it").stat().st_blocks * 512 <= MIB


async def test_a_giant_dictionary_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = compressor.compress(b"x") + compressor.flush()
    with pytest.raises(DecompressLimit, match="128 MiB"):
        await unpacked(content, Packing.ZSTD, tmp_path / "it")
    # An xz block header that asks for a dictionary of 1.5 GiB; only its checksum must be right.
    good = bytearray(lzma.compress(b"x", preset=0))
    header = bytearray(good[12 : 12 + (good[12] + 1) * 4])
    assert header[2:4] == b"\x21\x01"
    header[4] = 37
    header[-4:] = struct.pack("<I", zlib.crc32(header[:-4]))
    good[12 : 12 + len(header)] = header
    with pytest.raises(DecompressLimit, match="memory"):
        await unpacked(bytes(good), Packing.XZ, tmp_path / "it")


def _skippable(content: bytes) -> bytes:
    return content + b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"


def _endless(content: bytes) -> bytes:
    return content + b"\x50\x2a\x4d\x18" + (1 << 30).to_bytes(4, "little")


@pytest.mark.parametrize(("change", "error"), [(_skippable, None), (_endless, ImageTruncated)])
async def test_frames_to_be_skipped(
    tmp_path: Path, change: Callable[[bytes], bytes], error: type[LibraryError] | None
) -> None:
    content = change(packed(CONTENT, Packing.ZSTD))
    if error is not None:
        with pytest.raises(error):
            await unpacked(content, Packing.ZSTD, tmp_path / "it")
        return
    await unpacked(content, Packing.ZSTD, tmp_path / "it")
    assert (tmp_path / "it").read_bytes() == CONTENT


async def test_without_a_wall_nothing_is_unpacked(tmp_path: Path) -> None:
    with pytest.raises(JailMissing):
        await unpacked(b"", Packing.XZ, tmp_path / "it", unpacker=JailedUnpacker(Jail(None)))


@pytest.mark.parametrize("packing", Packing)
async def test_mutants_end_in_words(tmp_path: Path, packing: Packing) -> None:
    seed = int(os.environ.get("IMAGE_LIBRARY_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    good = packed(CONTENT[: 64 << 10], packing)
    for _ in range(10):
        content = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            content[chance.randrange(4, len(content))] = chance.randrange(256)
        with suppress(DecompressLimit, ImageTruncated, UnsupportedArchive):
            await unpacked(bytes(content), packing, tmp_path / "it", most=MIB)
