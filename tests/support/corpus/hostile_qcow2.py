"""qcow2 that opens other files, exhausts its reader, needs what nobody knows, or ends too early."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.support.corpus.good import CLUSTER, extension, qcow2
from tests.support.corpus.patching import be32, be64, patched
from tests.support.corpus.rows import BACKING, BOMB, DATA_FILE, FEATURE, HUGE, TRUNCATED, Hostile

GOOD = qcow2()
_BACKING_FORMAT, _DATA_FILE, _LUKS, _BITMAPS = 0xE2792ACA, 0x44415441, 0x0537BE77, 0x23852875
_FEATURES_AT = 72


def backed(name: str, *, version: int = 3, form: str = "raw", at: int = 512) -> bytes:
    kind = extension(_BACKING_FORMAT, form.encode()) if form and version == 3 else b""
    made = qcow2(version=version, extensions=kind)
    return patched(made, (8, be64(at) + be32(len(name.encode()))), (at, name.encode()))


def with_data_file(name: str, *, raw: bool = False, bit: bool = True) -> bytes:
    made = qcow2(extensions=extension(_DATA_FILE, name.encode()))
    features = be64(4 if bit else 0) + be64(0) + be64(2 if raw else 0)
    return patched(made, (_FEATURES_AT, features))


def features(bits: int, *more: tuple[int, bytes]) -> bytes:
    return patched(GOOD, (_FEATURES_AT, be64(bits)), *more)


def snapshots(count: int, *, extra: int = 16, l1_entries: int = 1, l1_at: int = 3 * CLUSTER) -> bytes:
    entry = struct.pack(">QIHHIIQII", l1_at, l1_entries, 1, 1, 0, 0, 0, 0, extra) + bytes(16) + b"1s"
    entries = entry.ljust(-(-len(entry) // 8) * 8, b"\0") * min(count, 64)
    return patched(GOOD, (60, be32(count) + be64(5 * CLUSTER)), (5 * CLUSTER, entries))


def bitmaps(count: int, size: int, *, length: int = 24, at: int = 4 * CLUSTER) -> bytes:
    return qcow2(extensions=extension(_BITMAPS, struct.pack(">IIQQ", count, 0, size, at)[:length]))


def huge(size: int, *, cluster_bits: int = 21) -> bytes:
    """Its first-level table is as long as the size asks for; it is empty."""
    cluster = 1 << cluster_bits
    entries = -(-size // (cluster * (cluster // 8)))
    made = patched(GOOD, (20, be32(cluster_bits)), (24, be64(size)), (36, be32(entries)))
    made = patched(made, (40, be64(cluster)), (48, be64(cluster)), (56, be32(1)))
    return patched(made, (3 * CLUSTER, bytes(8)), (2 * cluster - 1, b"\0"))


def row(name: str, attack: str, code: str, build: Callable[[str], bytes], *, jail: bool = False) -> Hostile:
    return Hostile(
        name=f"qcow2-{name}", attack=attack, code=code, build=build, driver="qcow2" if jail else ""
    )


def fixed(name: str, attack: str, code: str, data: bytes, *, jail: bool = False) -> Hostile:
    return row(name, attack, code, lambda _: data, jail=jail)


ROWS = (
    row("backing-file", "A01", BACKING, backed, jail=True),
    row("backing-v2", "A01", BACKING, lambda c: backed(c, version=2), jail=True),
    row("backing-no-format", "A01", BACKING, lambda c: backed(c, form=""), jail=True),
    row("backing-file-url", "A01", BACKING, lambda c: backed(f"file:{c}"), jail=True),
    row(
        "backing-json",
        "A01",
        BACKING,
        lambda c: backed(f'json:{{"driver":"file","filename":"{c}"}}'),
        jail=True,
    ),
    row(
        "backing-json-deep",
        "A01",
        BACKING,
        lambda c: backed(f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{c}"}}}}', form=""),
        jail=True,
    ),
    fixed("backing-shadow", "A01", BACKING, backed("/etc/shadow"), jail=True),
    fixed("backing-http", "A01", BACKING, backed("http://127.0.0.1:1/x"), jail=True),
    fixed("backing-nbd", "A01", BACKING, backed("nbd:127.0.0.1:1:exportname=x"), jail=True),
    fixed("backing-escape", "A01", BACKING, backed("evil\x1b[31m\n" + "x" * 300)),
    fixed("backing-at-end", "A01", BACKING, backed("/etc/passwd", at=CLUSTER - 16)),
    fixed("backing-outside", "A01", BACKING, patched(GOOD, (8, be64(1 << 40) + be32(11)))),
    fixed("backing-empty", "A01", BACKING, patched(GOOD, (8, be64(512) + be32(0)))),
    fixed("backing-format-only", "A01", BACKING, qcow2(extensions=extension(_BACKING_FORMAT, b"raw"))),
    row("data-file", "A02", DATA_FILE, with_data_file, jail=True),
    row("data-file-raw", "A02", DATA_FILE, lambda c: with_data_file(c, raw=True), jail=True),
    row("data-file-url", "A02", DATA_FILE, lambda c: with_data_file(f"file:{c}"), jail=True),
    row(
        "data-file-json",
        "A02",
        DATA_FILE,
        lambda c: with_data_file(f'json:{{"driver":"file","filename":"{c}"}}'),
        jail=True,
    ),
    row("data-file-without-bit", "A02", DATA_FILE, lambda c: with_data_file(c, bit=False), jail=True),
    fixed("data-file-bit-alone", "A02", DATA_FILE, features(4), jail=True),
    fixed("size-63-pib", "A07", HUGE, huge(63 << 50), jail=True),
    fixed("size-3-tib", "A07", HUGE, huge(3 << 40), jail=True),
    fixed("size-one-more", "A07", HUGE, huge((2 << 40) + 512), jail=True),
    fixed("size-2-to-63", "A07", HUGE, patched(GOOD, (24, be64(1 << 63))), jail=True),
    fixed("size-all-bits", "A07", HUGE, patched(GOOD, (24, b"\xff" * 8)), jail=True),
    fixed("l1-bomb", "A08", BOMB, patched(GOOD, (36, be32(1 << 31))), jail=True),
    fixed("l1-all-bits", "A08", BOMB, patched(GOOD, (36, b"\xff" * 4)), jail=True),
    fixed("l1-one-more", "A08", BOMB, patched(GOOD, (36, be32((32 << 20) // 8 + 1)))),
    fixed("l1-too-short", "A08", BOMB, patched(GOOD, (24, be64(1 << 40)))),
    fixed("l1-unaligned", "A08", BOMB, patched(GOOD, (40, be64(3 * CLUSTER + 512)))),
    fixed("refcount-bomb", "A08", BOMB, patched(GOOD, (56, be32(1 << 31))), jail=True),
    fixed("refcount-one-more", "A08", BOMB, patched(GOOD, (56, be32((8 << 20) // CLUSTER + 1)))),
    fixed("refcount-nowhere", "A08", BOMB, patched(GOOD, (48, be64(0)))),
    fixed("refcount-unaligned", "A08", BOMB, patched(GOOD, (48, be64(CLUSTER + 8)))),
    fixed("refcount-order-7", "A08", BOMB, patched(GOOD, (96, be32(7)))),
    fixed("snapshot-bomb", "A08", BOMB, snapshots(65536), jail=True),
    fixed("snapshots-one-more", "A08", BOMB, snapshots(65)),
    fixed("snapshot-extra", "A08", BOMB, snapshots(1, extra=1 << 31), jail=True),
    fixed("snapshot-l1", "A08", BOMB, snapshots(1, l1_entries=1 << 31), jail=True),
    fixed("snapshots-unaligned", "A08", BOMB, patched(snapshots(1), (64, be64(5 * CLUSTER + 8)))),
    fixed("bitmap-bomb", "A08", BOMB, bitmaps(65535, 64 << 20), jail=True),
    fixed("bitmap-directory", "A08", BOMB, bitmaps(1, 2 << 20)),
    fixed("bitmap-short", "A08", BOMB, bitmaps(1, 64, length=8)),
    fixed("clusters-of-256", "A08", BOMB, patched(GOOD, (20, be32(8)))),
    fixed("clusters-of-4-mib", "A08", BOMB, patched(GOOD, (20, be32(22)))),
    fixed("clusters-of-2-to-1g", "A08", BOMB, patched(GOOD, (20, be32(1 << 30)))),
    fixed("header-of-8", "A08", BOMB, patched(GOOD, (100, be32(8)))),
    fixed("header-of-2-gib", "A08", BOMB, patched(GOOD, (100, be32(1 << 31)))),
    fixed("extension-of-4-gib", "A08", BOMB, patched(GOOD, (104, be32(0x1234) + be32(0xFFFF_FFF0)))),
    fixed("extension-twice", "A08", BOMB, qcow2(extensions=extension(0x6803F857, bytes(48)) * 2)),
    fixed("compression-contradiction", "A08", BOMB, features(8, (100, be32(112)))),
    fixed("small-clusters-extended", "A08", BOMB, patched(features(16), (20, be32(12)))),
    *(fixed(f"feature-{bit}", "A12", FEATURE, features(1 << bit)) for bit in (5, 17, 40, 63)),
    fixed("corrupt", "A12", FEATURE, features(2)),
    fixed("dirty-and-corrupt", "A12", FEATURE, features(3)),
    fixed("dirty-and-unknown", "A12", FEATURE, features(1 | 1 << 17)),
    row("dirty-and-backed", "A01", BACKING, lambda c: patched(backed(c), (_FEATURES_AT, be64(1))), jail=True),
    fixed("dirty-l2-outside", "A13", TRUNCATED, features(1, (3 * CLUSTER, be64(1 << 40)))),
    fixed("aes", "A12", FEATURE, patched(GOOD, (32, be32(1)))),
    fixed("luks", "A12", FEATURE, patched(GOOD, (32, be32(2)))),
    fixed("luks-extension", "A12", FEATURE, qcow2(extensions=extension(_LUKS, bytes(16)))),
    fixed("compressed-by-2", "A12", FEATURE, features(8, (100, be32(112) + b"\2"))),
    fixed("version-1", "A12", FEATURE, patched(GOOD, (4, be32(1)))),
    fixed("version-4", "A12", FEATURE, patched(GOOD, (4, be32(4)))),
    *(fixed(f"cut-at-{n}", "A13", TRUNCATED, GOOD[:n]) for n in (6, 71, 100, 110)),
    fixed("one-byte-short", "A13", TRUNCATED, GOOD[:-1]),
    fixed("half", "A13", TRUNCATED, GOOD[: 2 * CLUSTER + 10]),
    fixed("l1-outside", "A13", TRUNCATED, patched(GOOD, (40, be64(1 << 40)))),
    fixed("l2-outside", "A13", TRUNCATED, patched(GOOD, (3 * CLUSTER, be64(1 << 40)))),
    fixed("refcounts-outside", "A13", TRUNCATED, patched(GOOD, (48, be64(1 << 40)))),
    fixed("snapshots-outside", "A13", TRUNCATED, patched(snapshots(1), (64, be64(1 << 40)))),
)
