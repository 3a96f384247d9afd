"""Bytes that are something else than they are said to be, several things at once, or no image; archives."""

from __future__ import annotations

import tarfile

from image_library.domain.image import ImageFormat
from tests.support.corpus import good
from tests.support.corpus.good import MIB, member, ova, ovf, tar
from tests.support.corpus.patching import patched
from tests.support.corpus.rows import (
    AMBIGUOUS,
    ARCHIVE,
    BACKING,
    BOMB,
    EXTENT,
    FEATURE,
    HUGE,
    MISMATCH,
    NO_IMAGE,
    TRUNCATED,
    Hostile,
)

QCOW2, VMDK, VDI = good.qcow2(), good.vmdk(), good.vdi()
_BOOT = (510, b"\x55\xaa")


def fixed(name: str, attack: str, code: str, data: bytes, *, declared: ImageFormat | None = None) -> Hostile:
    return Hostile(name=name, attack=attack, code=code, build=lambda _: data, declared=declared)


def disguised(said: ImageFormat, name: str, data: bytes, attack: str = "A05") -> Hostile:
    return fixed(f"{said.value}-that-is-{name}", attack, MISMATCH, data, declared=said)


_RAW, _QCOW2 = ImageFormat.RAW, ImageFormat.QCOW2
MIXED_ROWS = (
    disguised(_RAW, "qcow2", QCOW2),
    disguised(
        _RAW, "qcow2-with-backing", patched(QCOW2, (8, b"\0\0\0\0\0\0\2\0\0\0\0\x0b"), (512, b"/etc/shadow"))
    ),
    disguised(_RAW, "vmdk", VMDK),
    disguised(_RAW, "vmdk-descriptor", good.vmdk_descriptor().encode()),
    disguised(_RAW, "vmdk-text", b'#\n\n# x\nversion=1\nRW 8 FLAT "/etc/shadow" 0\n'),
    disguised(_RAW, "vhd", good.vhd_dynamic()),
    disguised(_RAW, "fixed-vhd", good.vhd_fixed()),
    disguised(_RAW, "vhdx", good.vhdx()),
    disguised(_RAW, "vdi", VDI),
    disguised(_RAW, "qed", b"QED\0".ljust(4096, b"\0")),
    disguised(_RAW, "luks", b"LUKS\xba\xbe\0\1".ljust(4096, b"\0")),
    disguised(_RAW, "ploop", b"WithouFreSpacExt".ljust(4096, b"\0")),
    disguised(_RAW, "bochs", b"Bochs Virtual HD Image".ljust(4096, b"\0")),
    disguised(_RAW, "cloop", b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop".ljust(4096, b"\0")),
    disguised(_RAW, "dmg", bytes(MIB) + b"koly".ljust(512, b"\0")),
    disguised(_RAW, "iso", good.iso()),
    disguised(_RAW, "guest-written-qcow2", patched(bytes(MIB), (0, QCOW2[:512])), "A14"),
    disguised(_RAW, "guest-written-vmdk", patched(bytes(MIB), (0, VMDK[:512])), "A14"),
    disguised(_RAW, "converted-qcow2", QCOW2, "A06"),
    disguised(_QCOW2, "raw", good.mbr()),
    disguised(_QCOW2, "gpt", good.gpt()),
    disguised(_QCOW2, "vmdk", VMDK),
    disguised(_QCOW2, "xz", b"\xfd7zXZ\0" + bytes(4096)),
    disguised(_QCOW2, "gzip", b"\x1f\x8b\x08" + bytes(4096)),
    disguised(ImageFormat.ISO, "qcow2", QCOW2),
    disguised(ImageFormat.VMDK, "qcow2", QCOW2),
    disguised(ImageFormat.OVA, "vmdk", VMDK),
    fixed("poly-iso-qcow2", "A05", AMBIGUOUS, patched(good.iso(), (0, QCOW2[:512]))),
    fixed(
        "poly-iso-qcow2-said-iso",
        "A05",
        AMBIGUOUS,
        patched(good.iso(), (0, QCOW2[:512])),
        declared=ImageFormat.ISO,
    ),
    fixed("poly-iso-qcow2-said-raw", "A05", AMBIGUOUS, patched(good.iso(), (0, QCOW2[:512])), declared=_RAW),
    fixed("poly-iso-vmdk", "A05", AMBIGUOUS, patched(good.iso(), (0, VMDK[: 32 << 10]))),
    fixed("poly-iso-vdi", "A05", AMBIGUOUS, patched(good.iso(), (0, VDI[:1024]))),
    fixed("poly-iso-tar", "A05", AMBIGUOUS, patched(good.iso(), (0, ova()[:1024]))),
    fixed("poly-mbr-qcow2", "A05", AMBIGUOUS, patched(QCOW2, _BOOT)),
    fixed("poly-mbr-vmdk", "A05", AMBIGUOUS, patched(VMDK, _BOOT)),
    fixed("poly-mbr-vdi", "A05", AMBIGUOUS, patched(VDI, _BOOT)),
    fixed("poly-mbr-vhdx", "A05", AMBIGUOUS, patched(good.vhdx(), _BOOT)),
    fixed("poly-mbr-tar", "A05", AMBIGUOUS, patched(ova(), _BOOT)),
    fixed("poly-vhd-qcow2", "A05", AMBIGUOUS, QCOW2 + good.vhd_footer(kind=2, size=len(QCOW2))),
    fixed("poly-vhd-iso", "A05", AMBIGUOUS, good.iso() + good.vhd_footer(kind=2, size=1 << 16)),
    fixed("poly-tar-qcow2", "A05", AMBIGUOUS, patched(ova(), (0, QCOW2[:72]))),
    fixed("poly-three", "A05", AMBIGUOUS, patched(good.iso(), (0, QCOW2[:512]), (64, b"\x7f\x10\xda\xbe"))),
    fixed("qed", "A12", FEATURE, b"QED\0".ljust(4096, b"\0")),
    fixed("luks", "A12", FEATURE, b"LUKS\xba\xbe\0\2".ljust(4096, b"\0")),
    fixed("ploop", "A12", FEATURE, b"WithoutFreeSpace".ljust(4096, b"\0")),
    fixed("bochs", "A12", FEATURE, b"Bochs Virtual HD Image".ljust(4096, b"\0")),
    fixed("zip", "A12", FEATURE, b"PK\x03\x04".ljust(4096, b"\0")),
    fixed("7z", "A12", FEATURE, b"7z\xbc\xaf\x27\x1c".ljust(4096, b"\0")),
    fixed("empty", "A13", NO_IMAGE, b""),
    fixed("empty-said-raw", "A13", NO_IMAGE, b"", declared=_RAW),
    fixed("login-page", "A13", NO_IMAGE, b"<!DOCTYPE html><html><head><title>Log in</title></head></html>"),
    fixed(
        "login-page-said-qcow2",
        "A13",
        NO_IMAGE,
        b"\xef\xbb\xbf\n<HTML><title>Sign in</title>",
        declared=_QCOW2,
    ),
    fixed("login-page-said-raw", "A13", NO_IMAGE, b"<!-- x --><html>", declared=_RAW),
    fixed("text", "A13", NO_IMAGE, b"Not found\n"),
    fixed("zeros", "A13", NO_IMAGE, bytes(MIB)),
    fixed("noise", "A13", NO_IMAGE, bytes(range(1, 255)) * 100),
)

_BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'
_FETCH = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/shadow">]>'
_TWO_FILES = '<File ovf:id="file1" ovf:href="disk.vmdk"/><File ovf:id="file2" ovf:href="other.vmdk"/>'
_TWO_DISKS = '<Disk ovf:fileRef="file1" ovf:capacity="1"/><Disk ovf:fileRef="file2" ovf:capacity="1"/>'


def href(name: str, more: str = "") -> str:
    return ovf(files=f'<File ovf:id="file1" ovf:href="{name}" {more}/>')


def odd(name: str, kind: bytes, link: str = "") -> bytes:
    return ova((member(name, kind=kind, link=link), b""))


_DISK = good.vmdk_stream()
OVA_ROWS = (
    fixed("ova-up", "A11", ARCHIVE, ova(("../evil", b"x"))),
    fixed("ova-absolute", "A11", ARCHIVE, ova(("/etc/cron.d/evil", b"x"))),
    fixed("ova-folder-inside", "A11", ARCHIVE, ova(("a/b", b"x"))),
    fixed("ova-backslash", "A11", ARCHIVE, ova(("..\\evil", b"x"))),
    fixed("ova-control-name", "A11", ARCHIVE, ova(("a\x1bb", b"x"))),
    fixed("ova-link", "A11", ARCHIVE, odd("l", tarfile.LNKTYPE, "disk.vmdk")),
    fixed("ova-symlink", "A11", ARCHIVE, odd("s", tarfile.SYMTYPE, "/etc/shadow")),
    fixed(
        "ova-disk-is-symlink",
        "A11",
        ARCHIVE,
        tar(("vm.ovf", ovf().encode()), (member("disk.vmdk", kind=tarfile.SYMTYPE, link="/etc/shadow"), b"")),
    ),
    fixed("ova-device", "A11", ARCHIVE, odd("d", tarfile.CHRTYPE)),
    fixed("ova-block-device", "A11", ARCHIVE, odd("d", tarfile.BLKTYPE)),
    fixed("ova-pipe", "A11", ARCHIVE, odd("p", tarfile.FIFOTYPE)),
    fixed("ova-folder", "A11", ARCHIVE, odd("f", tarfile.DIRTYPE)),
    fixed("ova-sparse", "A11", ARCHIVE, ova((member("s", kind=tarfile.GNUTYPE_SPARSE), bytes(512)))),
    fixed("ova-unknown-kind", "A11", ARCHIVE, odd("q", b"Q")),
    fixed(
        "ova-long-name",
        "A11",
        ARCHIVE,
        tar(("n" * 200, b"x"), ("vm.ovf", ovf().encode()), ("disk.vmdk", _DISK), form=tarfile.GNU_FORMAT),
    ),
    fixed(
        "ova-pax-path",
        "A11",
        ARCHIVE,
        tar(("n" * 200, b"x"), ("vm.ovf", ovf().encode()), ("disk.vmdk", _DISK), form=tarfile.PAX_FORMAT),
    ),
    fixed("ova-pax-size", "A11", ARCHIVE, ova((member("x", kind=b"x"), b"19 size=9999999999\n"))),
    fixed("ova-pax-bomb", "A11", ARCHIVE, ova((member("x", kind=b"x"), bytes(1 << 20)))),
    fixed("ova-global-header", "A11", ARCHIVE, ova((member("g", kind=b"g"), b"20 comment=harmless\n"))),
    fixed("ova-duplicate", "A11", ARCHIVE, ova(("disk.vmdk", b"other"))),
    fixed("ova-duplicate-case", "A11", ARCHIVE, ova(("DISK.vmdk", b"other"))),
    fixed("ova-many", "A11", ARCHIVE, ova(*((f"f{n}", b"") for n in range(63)))),
    fixed("ova-damaged-sum", "A11", ARCHIVE, patched(ova(), (148, b"0000000\0"))),
    fixed("ova-no-descriptor", "A11", ARCHIVE, tar(("disk.vmdk", _DISK))),
    fixed("ova-two-descriptors", "A11", ARCHIVE, ova(("other.ovf", ovf().encode()))),
    fixed(
        "ova-two-disks",
        "A11",
        ARCHIVE,
        ova(("other.vmdk", _DISK), descriptor=ovf(files=_TWO_FILES, disks=_TWO_DISKS)),
    ),
    fixed("ova-no-disk", "A11", ARCHIVE, ova(descriptor=ovf(disks=""))),
    fixed("ova-empty-disk-only", "A11", ARCHIVE, ova(descriptor=ovf(disks='<Disk ovf:capacity="1"/>'))),
    fixed("ova-two-machines", "A11", ARCHIVE, ova(descriptor=ovf(systems=2))),
    fixed("ova-names-other-file", "A11", ARCHIVE, ova(descriptor=href("missing.vmdk"))),
    fixed("ova-names-path", "A11", ARCHIVE, ova(descriptor=href("/etc/shadow"))),
    fixed("ova-names-url", "A11", ARCHIVE, ova(descriptor=href("http://169.254.169.254/x"))),
    fixed("ova-file-twice", "A11", ARCHIVE, ova(descriptor=ovf(files=_TWO_FILES.replace("file2", "file1")))),
    fixed("ova-disk-is-tar", "A11", ARCHIVE, ova(disk=ova())),
    fixed("ova-plain-tar", "A11", ARCHIVE, tar(("a.txt", b"x"), ("b.txt", b"y"))),
    fixed("ova-packed-disk", "A12", FEATURE, ova(descriptor=href("disk.vmdk", 'ovf:compression="gzip"'))),
    fixed("ova-cut-disk", "A12", FEATURE, ova(descriptor=href("disk.vmdk", 'ovf:chunkSize="7"'))),
    fixed("ova-entities", "A08", BOMB, ova(descriptor=ovf(before=_BOMB))),
    fixed("ova-external-entity", "A08", BOMB, ova(descriptor=ovf(before=_FETCH))),
    fixed("ova-no-xml", "A08", BOMB, ova(descriptor="no xml")),
    fixed("ova-unclosed", "A08", BOMB, ova(descriptor=ovf()[:-20])),
    fixed("ova-deep", "A08", BOMB, ova(descriptor="<a>" * 1000)),
    fixed("ova-long", "A08", BOMB, ova(descriptor=f"<a>{'<b/>' * 30_000}</a>")),
    fixed("ova-descriptor-of-2-mib", "A08", BOMB, ova(descriptor=ovf(before=f"<!--{'x' * (2 << 20)}-->"))),
    fixed(
        "ova-flat-vmdk",
        "A03",
        EXTENT,
        ova(disk=good.vmdk_descriptor(kind="monolithicFlat", extents='RW 8 FLAT "/etc/shadow" 0').encode()),
    ),
    fixed(
        "ova-parent",
        "A04",
        BACKING,
        ova(disk=good.vmdk(good.vmdk_descriptor(more='parentFileNameHint="/etc/shadow"\n'))),
    ),
    fixed(
        "ova-qcow2-backing",
        "A01",
        BACKING,
        ova(disk=patched(QCOW2, (8, b"\0\0\0\0\0\0\2\0\0\0\0\x0b"), (512, b"/etc/shadow"))),
    ),
    fixed("ova-huge", "A07", HUGE, ova(disk=good.vmdk(capacity=63 << 41))),
    fixed("ova-poly", "A05", AMBIGUOUS, ova(disk=patched(good.iso(), (0, QCOW2[:512])))),
    fixed("ova-cut", "A13", TRUNCATED, ova()[:20_000]),
    fixed("ova-short-disk", "A13", TRUNCATED, ova(disk=_DISK[:-1])),
    fixed("ova-html-disk", "A13", NO_IMAGE, ova(disk=b"<html><title>Log in</title>")),
)

ROWS = (*MIXED_ROWS, *OVA_ROWS)
