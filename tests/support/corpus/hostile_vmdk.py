"""VMDK that names other files, exhausts its reader or ends too early."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.corpus.good import DISK, NO_OFFSET, SECTOR, vmdk, vmdk_descriptor, vmdk_stream
from tests.support.corpus.patching import le32, le64, patched
from tests.support.corpus.rows import BACKING, BOMB, EXTENT, FEATURE, HUGE, TRUNCATED, Hostile

GOOD, STREAM = vmdk(), vmdk_stream()
_SECTORS = DISK // SECTOR
_FOOTER_AT = len(STREAM) - 2 * SECTOR


def row(name: str, attack: str, code: str, build: Callable[[str], bytes], *, jail: bool = False) -> Hostile:
    return Hostile(name=f"vmdk-{name}", attack=attack, code=code, build=build, driver="vmdk" if jail else "")


def fixed(name: str, attack: str, code: str, data: bytes, *, jail: bool = False) -> Hostile:
    return row(name, attack, code, lambda _: data, jail=jail)


def flat(extents: str, *, kind: str = "monolithicFlat") -> bytes:
    return vmdk_descriptor(kind=kind, extents=extents).encode()


def hinted(name: str, *, parent: str = "3f2a1b4c") -> str:
    return vmdk_descriptor(parent=parent, more=f'parentFileNameHint="{name}"\n')


ROWS = (
    row("flat", "A03", EXTENT, lambda c: flat(f'RW 128 FLAT "{c}" 0'), jail=True),
    row(
        "flat-read-only",
        "A03",
        EXTENT,
        lambda c: flat(f'RDONLY 8 FLAT "{c}" 0', kind="twoGbMaxExtentFlat"),
        jail=True,
    ),
    row("vmfs", "A03", EXTENT, lambda c: flat(f'RW 8 VMFS "{c}"', kind="vmfs"), jail=True),
    row("flat-file-url", "A03", EXTENT, lambda c: flat(f'RW 8 FLAT "file:{c}" 0'), jail=True),
    row(
        "two-extents",
        "A03",
        EXTENT,
        lambda c: flat(f'RW 8 FLAT "{c}" 0\nRW 8 FLAT "{c}" 8', kind="twoGbMaxExtentFlat"),
        jail=True,
    ),
    row(
        "sparse-extents",
        "A03",
        EXTENT,
        lambda c: flat(f'RW 8 SPARSE "{c}"', kind="monolithicSparse"),
        jail=True,
    ),
    row(
        "descriptor-lower-case",
        "A03",
        EXTENT,
        lambda c: b"# disk descriptorfile\n" + flat(f'RW 8 FLAT "{c}" 0').partition(b"\n")[2],
        jail=True,
    ),
    fixed("flat-shadow", "A03", EXTENT, flat('RW 8 FLAT "/etc/shadow" 0'), jail=True),
    row(
        "no-capacity",
        "A03",
        EXTENT,
        lambda c: vmdk(flat(f'RW 8 FLAT "{c}" 0').decode(), capacity=0),
        jail=True,
    ),
    fixed("no-descriptor", "A03", EXTENT, patched(GOOD, (28, le64(0)))),
    row(
        "inside-two-extents",
        "A03",
        EXTENT,
        lambda c: vmdk(vmdk_descriptor(extents=f'RW 8 SPARSE "a"\nRW 8 FLAT "{c}" 0')),
        jail=True,
    ),
    row(
        "inside-flat", "A03", EXTENT, lambda c: vmdk(vmdk_descriptor(extents=f'RW 8 FLAT "{c}" 0')), jail=True
    ),
    row(
        "inside-path", "A03", EXTENT, lambda c: vmdk(vmdk_descriptor(extents=f'RW 8 SPARSE "{c}"')), jail=True
    ),
    fixed("inside-up", "A03", EXTENT, vmdk(vmdk_descriptor(extents='RW 8 SPARSE "../x.vmdk"'))),
    fixed("inside-backslash", "A03", EXTENT, vmdk(vmdk_descriptor(extents='RW 8 SPARSE "C:\\x.vmdk"'))),
    fixed("inside-none", "A03", EXTENT, vmdk(vmdk_descriptor(extents="# none"))),
    fixed("inside-zero", "A03", EXTENT, vmdk(vmdk_descriptor(extents="RW 8 ZERO"))),
    fixed("kind-flat", "A03", EXTENT, vmdk(vmdk_descriptor(kind="monolithicFlat"))),
    fixed("kind-two-gb", "A03", EXTENT, vmdk(vmdk_descriptor(kind="twoGbMaxExtentSparse"))),
    fixed("kind-device", "A03", EXTENT, vmdk(vmdk_descriptor(kind="fullDevice"))),
    fixed("kind-twice", "A03", EXTENT, vmdk(vmdk_descriptor(more='createType="monolithicFlat"\n'))),
    fixed("kind-missing", "A03", EXTENT, vmdk(vmdk_descriptor().replace("createType", "kind"))),
    row(
        "stream-flat",
        "A03",
        EXTENT,
        lambda c: vmdk_stream(vmdk_descriptor(kind="streamOptimized", extents=f'RW 8 FLAT "{c}" 0')),
        jail=True,
    ),
    row("parent-hint", "A04", BACKING, lambda c: vmdk(hinted(c)), jail=True),
    row("parent-hint-alone", "A04", BACKING, lambda c: vmdk(hinted(c, parent="ffffffff")), jail=True),
    row("parent-hint-case", "A04", BACKING, lambda c: vmdk(hinted(c).replace("parentFile", "PARENTFILE"))),
    row(
        "parent-hint-comment",
        "A04",
        BACKING,
        lambda c: vmdk(vmdk_descriptor(more=f'#parentFileNameHint="{c}"\n')),
        jail=True,
    ),
    row(
        "parent-hint-after-end",
        "A04",
        BACKING,
        lambda c: patched(GOOD, (36, le64(2)), (4 * SECTOR, f'\nparentFileNameHint="{c}"\n'.encode())),
        jail=True,
    ),
    row("parent-hint-descriptor", "A04", BACKING, lambda c: hinted(c).encode(), jail=True),
    row(
        "parent-hint-stream",
        "A04",
        BACKING,
        lambda c: vmdk_stream(vmdk_descriptor(kind="streamOptimized", more=f'parentFileNameHint="{c}"\n')),
        jail=True,
    ),
    fixed("parent-cid", "A04", BACKING, vmdk(vmdk_descriptor(parent="3f2a1b4c"))),
    fixed("parent-cid-twice", "A04", BACKING, vmdk(vmdk_descriptor(more="parentCID=12345678\n"))),
    fixed("parent-cid-long", "A04", BACKING, vmdk(vmdk_descriptor(parent="ffffffffff"))),
    fixed("size-63-pib", "A07", HUGE, vmdk(capacity=(63 << 50) // SECTOR), jail=True),
    fixed("size-all-bits", "A07", HUGE, vmdk(capacity=(1 << 64) - 1), jail=True),
    fixed("grain-of-8-exabytes", "A08", BOMB, patched(GOOD, (20, le64(1 << 55))), jail=True),
    fixed("grain-of-none", "A08", BOMB, patched(GOOD, (20, le64(0))), jail=True),
    fixed("tables-of-2-to-31", "A08", BOMB, patched(GOOD, (44, le32(1 << 31))), jail=True),
    fixed("tables-of-one", "A08", BOMB, patched(GOOD, (44, le32(1))), jail=True),
    fixed("descriptor-of-8-gib", "A08", BOMB, patched(GOOD, (36, le64(1 << 24))), jail=True),
    fixed("descriptor-elsewhere", "A08", BOMB, patched(GOOD, (28, le64(4)))),
    fixed("descriptor-noise", "A08", BOMB, vmdk(vmdk_descriptor(more="\x01\x02 what\n"))),
    fixed("descriptor-of-lines", "A08", BOMB, vmdk("\n" * 2000 + vmdk_descriptor())),
    fixed("no-directory", "A08", BOMB, patched(GOOD, (48, le64(0) + le64(0)))),
    fixed("as-text", "A08", BOMB, patched(GOOD, (73, b"\n\n\r\n"))),
    fixed("footer-bigger", "A08", BOMB, patched(STREAM, (_FOOTER_AT + 12, le64(_SECTORS * 4)))),
    fixed("footer-elsewhere", "A08", BOMB, patched(STREAM, (_FOOTER_AT + 28, le64(64)))),
    fixed("footer-of-footer", "A08", BOMB, patched(STREAM, (_FOOTER_AT + 56, le64(NO_OFFSET)))),
    fixed("footer-unmarked", "A08", BOMB, patched(STREAM, (_FOOTER_AT - SECTOR + 12, le32(7)))),
    fixed("version-4", "A12", FEATURE, patched(GOOD, (4, le32(4)))),
    fixed("compressed-by-2", "A12", FEATURE, patched(GOOD, (77, b"\2\0"))),
    fixed("cowd", "A12", FEATURE, b"COWD" + le32(1) + bytes(2040)),
    fixed("cut-in-header", "A13", TRUNCATED, GOOD[:300]),
    fixed("cut-in-descriptor", "A13", TRUNCATED, GOOD[: 5 * SECTOR]),
    fixed("directory-outside", "A13", TRUNCATED, patched(GOOD, (56, le64(1 << 40)))),
    fixed("table-outside", "A13", TRUNCATED, patched(GOOD, (26 * SECTOR, le32(1 << 30)))),
    fixed("stream-without-end", "A13", TRUNCATED, STREAM[:-SECTOR]),
    fixed("stream-one-byte-short", "A13", TRUNCATED, STREAM[:-1]),
)
