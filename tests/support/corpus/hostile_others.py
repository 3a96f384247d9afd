"""VHD, VHDX, VDI and ISO that need another file, exhaust their reader, or end too early."""

from __future__ import annotations

import struct

from tests.support.corpus import good
from tests.support.corpus.good import CLUSTER, DISK, MIB, NO_OFFSET
from tests.support.corpus.patching import be32, le32, le64, patched
from tests.support.corpus.rows import BACKING, BOMB, FEATURE, HUGE, TRUNCATED, Hostile


def fixed(name: str, attack: str, code: str, data: bytes, *, driver: str = "") -> Hostile:
    return Hostile(name=name, attack=attack, code=code, build=lambda _: data, driver=driver)


VHD, DYNAMIC, VHDX, VDI, ISO = good.vhd_fixed(), good.vhd_dynamic(), good.vhdx(), good.vdi(), good.iso()
_PARENT_NAME = patched(good.vhd_header(), (64, "/etc/shadow".encode("utf-16-be")))
_PARENT_ID = patched(good.vhd_header(), (40, b"p" * 16))
_PARENT_LOCATOR = patched(good.vhd_header(), (576, b"W2ku" + be32(512) + be32(64)))
_SUSPENDED = good.summed(patched(good.vhd_footer(kind=3, data_offset=512), (84, b"\1")), 64)
_VERSION_2 = good.summed(patched(good.vhd_footer(kind=3, data_offset=512), (12, be32(0x20000))), 64)

VHD_ROWS = (
    fixed(
        "vhd-differencing", "A01", BACKING, good.vhd_dynamic(footer=good.vhd_footer(kind=4, data_offset=512))
    ),
    fixed(
        "vhd-parent-name",
        "A01",
        BACKING,
        good.vhd_dynamic(header=good.summed(_PARENT_NAME, 36)),
        driver="vpc",
    ),
    fixed("vhd-parent-id", "A01", BACKING, good.vhd_dynamic(header=good.summed(_PARENT_ID, 36))),
    fixed("vhd-parent-locator", "A01", BACKING, good.vhd_dynamic(header=good.summed(_PARENT_LOCATOR, 36))),
    fixed("vhd-fixed-differencing", "A01", BACKING, bytes(MIB) + good.vhd_footer(kind=4, size=MIB)),
    fixed(
        "vhd-63-pib",
        "A07",
        HUGE,
        good.vhd_dynamic(footer=good.vhd_footer(kind=3, size=63 << 50, data_offset=512)),
        driver="vpc",
    ),
    fixed("vhd-fixed-63-pib", "A07", HUGE, bytes(MIB) + good.vhd_footer(kind=2, size=63 << 50), driver="vpc"),
    fixed(
        "vhd-table-bomb", "A08", BOMB, good.vhd_dynamic(header=good.vhd_header(blocks=1 << 31)), driver="vpc"
    ),
    fixed("vhd-table-short", "A08", BOMB, good.vhd_dynamic(header=good.vhd_header(blocks=1)), driver="vpc"),
    fixed(
        "vhd-blocks-odd", "A08", BOMB, good.vhd_dynamic(header=good.vhd_header(block=3 * MIB)), driver="vpc"
    ),
    fixed(
        "vhd-blocks-of-2-gib",
        "A08",
        BOMB,
        good.vhd_dynamic(header=good.vhd_header(block=1 << 31)),
        driver="vpc",
    ),
    fixed("vhd-blocks-of-none", "A08", BOMB, good.vhd_dynamic(header=good.vhd_header(block=0)), driver="vpc"),
    fixed("vhd-checksum", "A08", BOMB, patched(VHD, (MIB + 64, b"\0\0\0\0"))),
    fixed(
        "vhd-header-checksum",
        "A08",
        BOMB,
        good.vhd_dynamic(header=patched(good.vhd_header(), (36, bytes(4)))),
    ),
    fixed("vhd-no-header", "A08", BOMB, good.vhd_dynamic(header=bytes(1024))),
    fixed("vhd-fixed-in-front", "A08", BOMB, good.vhd_dynamic(footer=good.vhd_footer(kind=2))),
    fixed("vhd-dynamic-behind", "A08", BOMB, bytes(MIB) + good.vhd_footer(kind=3, size=MIB, data_offset=512)),
    fixed("vhd-longer", "A08", BOMB, bytes(2 * MIB) + good.vhd_footer(kind=2, size=MIB)),
    fixed("vhd-kind-5", "A12", FEATURE, bytes(MIB) + good.vhd_footer(kind=5, size=MIB)),
    fixed("vhd-suspended", "A12", FEATURE, good.vhd_dynamic(footer=_SUSPENDED)),
    fixed("vhd-version-2", "A12", FEATURE, good.vhd_dynamic(footer=_VERSION_2)),
    fixed("vhd-shorter", "A13", TRUNCATED, bytes(MIB // 2) + good.vhd_footer(kind=2, size=MIB)),
    fixed("vhd-one-byte-short", "A13", TRUNCATED, DYNAMIC[:-1]),
    fixed("vhd-cut-in-footer", "A13", TRUNCATED, DYNAMIC[:100]),
    fixed(
        "vhd-header-outside",
        "A13",
        TRUNCATED,
        good.vhd_dynamic(footer=good.vhd_footer(kind=3, data_offset=1 << 40)),
    ),
    fixed("vhd-table-outside", "A13", TRUNCATED, good.vhd_dynamic(header=good.vhd_header(table=1 << 40))),
    fixed("vhd-block-outside", "A13", TRUNCATED, patched(DYNAMIC, (1536, be32(1 << 30)))),
)

_ITEMS = good.VHDX_ITEMS


def metadata(kind: bytes, value: bytes, flags: int = 4) -> bytes:
    return good.vhdx(metadata=good.vhdx_metadata({**_ITEMS, kind: (value, flags)}))


def regions(*rows: tuple[bytes, int, int, int], count: int | None = None) -> bytes:
    return good.vhdx(regions=good.vhdx_regions(*rows, count=count))


def header(**changes: int | bytes) -> bytes:
    return good.vhdx(headers=(good.vhdx_header(number=1), good.vhdx_header(number=2, **changes)))  # pyright: ignore[reportArgumentType]


_BAT_ROW, _METADATA_ROW = (good.BAT, 3 * MIB, MIB, 1), (good.METADATA, 2 * MIB, MIB, 1)
_NO_SIZE = {kind: item for kind, item in _ITEMS.items() if kind != good.SIZE}

VHDX_ROWS = (
    fixed(
        "vhdx-has-parent",
        "A01",
        BACKING,
        metadata(good.PARAMETERS, struct.pack("<II", 8 * MIB, 2)),
        driver="vhdx",
    ),
    fixed("vhdx-parent-locator", "A01", BACKING, metadata(good.PARENT, bytes(20)), driver="vhdx"),
    fixed("vhdx-63-pib", "A07", HUGE, metadata(good.SIZE, struct.pack("<Q", 63 << 50), 6)),
    fixed("vhdx-3-tib", "A07", HUGE, metadata(good.SIZE, struct.pack("<Q", 3 << 40), 6)),
    fixed("vhdx-regions-of-2-to-31", "A08", BOMB, regions(count=1 << 31), driver="vhdx"),
    fixed("vhdx-region-twice", "A08", BOMB, regions(_BAT_ROW, _BAT_ROW, _METADATA_ROW), driver="vhdx"),
    fixed("vhdx-region-missing", "A08", BOMB, regions(_BAT_ROW), driver="vhdx"),
    fixed("vhdx-regions-overlap", "A08", BOMB, regions((good.BAT, 2 * MIB, MIB, 1), _METADATA_ROW)),
    fixed("vhdx-region-in-header", "A08", BOMB, regions((good.BAT, 0, MIB, 1), _METADATA_ROW)),
    fixed("vhdx-region-unaligned", "A08", BOMB, regions((good.BAT, 3 * MIB + 4096, MIB, 1), _METADATA_ROW)),
    fixed(
        "vhdx-items-of-65535", "A08", BOMB, good.vhdx(metadata=good.vhdx_metadata(count=65535)), driver="vhdx"
    ),
    fixed("vhdx-item-missing", "A08", BOMB, good.vhdx(metadata=good.vhdx_metadata(_NO_SIZE)), driver="vhdx"),
    fixed("vhdx-item-outside", "A08", BOMB, patched(VHDX, (2 * MIB + 48, le32(MIB)))),
    fixed("vhdx-no-metadata", "A08", BOMB, patched(VHDX, (2 * MIB, bytes(8))), driver="vhdx"),
    fixed(
        "vhdx-blocks-odd",
        "A08",
        BOMB,
        metadata(good.PARAMETERS, struct.pack("<II", 3 * MIB, 0)),
        driver="vhdx",
    ),
    fixed(
        "vhdx-blocks-of-none", "A08", BOMB, metadata(good.PARAMETERS, struct.pack("<II", 0, 0)), driver="vhdx"
    ),
    fixed("vhdx-sectors-of-7", "A08", BOMB, metadata(good.LOGICAL, struct.pack("<I", 7), 6), driver="vhdx"),
    fixed("vhdx-no-header", "A08", BOMB, patched(VHDX, (64 << 10, bytes(4)), (128 << 10, bytes(4)))),
    fixed("vhdx-log-bomb", "A08", BOMB, header(log_length=0xFFF0_0000), driver="vhdx"),
    fixed("vhdx-log-in-header", "A08", BOMB, header(log_at=0)),
    fixed("vhdx-log", "A12", FEATURE, header(log=b"l" * 16), driver="vhdx"),
    fixed("vhdx-version-2", "A12", FEATURE, header(version=2), driver="vhdx"),
    fixed(
        "vhdx-unknown-region", "A12", FEATURE, regions(_BAT_ROW, _METADATA_ROW, (b"u" * 16, 4 * MIB, MIB, 1))
    ),
    fixed("vhdx-unknown-item", "A12", FEATURE, metadata(b"u" * 16, bytes(8), 4), driver="vhdx"),
    fixed("vhdx-region-outside", "A13", TRUNCATED, regions((good.BAT, 3 * MIB, 64 * MIB, 1), _METADATA_ROW)),
    fixed("vhdx-one-byte-short", "A13", TRUNCATED, VHDX[:-1]),
    fixed("vhdx-cut-in-header", "A13", TRUNCATED, VHDX[: 100 << 10]),
    fixed("vhdx-cut-in-metadata", "A13", TRUNCATED, VHDX[: 2 * MIB + 100]),
    fixed("vhdx-block-outside", "A13", TRUNCATED, good.vhdx(bat=le64(6 | 1 << 40))),
)

VDI_ROWS = (
    fixed("vdi-differencing", "A01", BACKING, good.vdi(kind=4), driver="vdi"),
    fixed("vdi-undo", "A01", BACKING, good.vdi(kind=3), driver="vdi"),
    fixed("vdi-parent", "A01", BACKING, good.vdi(parent=b"p" * 16), driver="vdi"),
    fixed("vdi-link", "A01", BACKING, patched(VDI, (0x1A8, b"l" * 16)), driver="vdi"),
    fixed("vdi-63-pib", "A07", HUGE, good.vdi(size=63 << 50), driver="vdi"),
    fixed("vdi-map-bomb", "A08", BOMB, good.vdi(blocks=1 << 31), driver="vdi"),
    fixed("vdi-map-short", "A08", BOMB, good.vdi(size=DISK * 2), driver="vdi"),
    fixed("vdi-more-than-all", "A08", BOMB, good.vdi(allocated=65), driver="vdi"),
    fixed("vdi-blocks-odd", "A08", BOMB, patched(VDI, (0x178, le32(3 * MIB))), driver="vdi"),
    fixed("vdi-sectors-of-4096", "A08", BOMB, patched(VDI, (0x168, le32(4096))), driver="vdi"),
    fixed("vdi-map-in-header", "A08", BOMB, patched(VDI, (0x154, le32(0))), driver="vdi"),
    fixed("vdi-data-in-map", "A08", BOMB, patched(VDI, (0x158, le32(512))), driver="vdi"),
    fixed("vdi-block-of-none", "A08", BOMB, patched(VDI, (512, le32(7))), driver="vdi"),
    fixed("vdi-kind-9", "A12", FEATURE, good.vdi(kind=9), driver="vdi"),
    fixed("vdi-version-2", "A12", FEATURE, good.vdi(version=0x20000), driver="vdi"),
    fixed("vdi-cut-in-header", "A13", TRUNCATED, VDI[:300]),
    fixed("vdi-cut-in-map", "A13", TRUNCATED, VDI[:600]),
    fixed("vdi-block-missing", "A13", TRUNCATED, patched(good.vdi(allocated=1), (512, le32(0)))),
)

ISO_ROWS = (
    fixed("iso-one-byte-short", "A13", TRUNCATED, ISO[:-1]),
    fixed("iso-cut-in-descriptor", "A13", TRUNCATED, ISO[: (32 << 10) + 500]),
    fixed("iso-size-contradiction", "A08", BOMB, patched(ISO, ((32 << 10) + 84, be32(7)))),
    fixed("iso-blocks-of-7", "A08", BOMB, good.iso(good.iso_descriptor(block=7))),
    fixed("iso-no-primary", "A08", BOMB, patched(ISO, (32 << 10, b"\xff"))),
    fixed(
        "iso-udf-alone",
        "A12",
        FEATURE,
        patched(bytes(CLUSTER), (32 << 10, b"\0BEA01\1"), (34 << 10, b"\0NSR02\1")),
    ),
    fixed("gpt-half", "A13", TRUNCATED, good.gpt(copy=4 * MIB // 512 - 1)),
    fixed("gpt-one-sector-short", "A13", TRUNCATED, good.gpt()[:-512]),
    fixed("gpt-4k-short", "A13", TRUNCATED, good.gpt(sector=4096, copy=MIB // 4096)),
    fixed("mbr-partition-outside", "A13", TRUNCATED, good.mbr((0, 0x83, 1 << 20, 2048))),
)

ROWS = (*VHD_ROWS, *VHDX_ROWS, *VDI_ROWS, *ISO_ROWS)
assert NO_OFFSET
