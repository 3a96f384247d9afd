"""The smallest whole images of each format, written from the formats' specifications alone."""

from __future__ import annotations

import io
import struct
import tarfile
import uuid
from collections.abc import Mapping

from image_library.domain.disk_formats.crc32c import crc32c
from tests.support.corpus.patching import be32, be64, patched

MIB = 1 << 20
SECTOR = 512
CLUSTER = 1 << 16
DISK = 64 * MIB
NO_OFFSET = (1 << 64) - 1


def qcow2(
    *, version: int = 3, cluster_bits: int = 16, virtual_size: int = DISK, extensions: bytes = b""
) -> bytes:
    """Header, a reference-count table with one block, a first-level table with one second-level table."""
    cluster = 1 << cluster_bits
    span = cluster * (cluster // 8)
    l1 = -(-virtual_size // span)
    fixed = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb",
        version,
        0,
        0,
        cluster_bits,
        virtual_size,
        0,
        l1,
        3 * cluster,
        cluster,
        1,
        0,
        0,
    )
    header = fixed + (struct.pack(">QQQII", 0, 0, 0, 4, 104) + extensions if version == 3 else b"")
    counts = b"\0\1" * 5
    return patched(
        bytes(5 * cluster),
        (0, header),
        (cluster, be64(2 * cluster)),
        (2 * cluster, counts),
        (3 * cluster, be64(4 * cluster | 1 << 63)),
    )


def extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">II", kind, len(content)) + content.ljust(-(-len(content) // 8) * 8, b"\0")


def vmdk_descriptor(
    *, kind: str = "monolithicSparse", parent: str = "ffffffff", extents: str = "", more: str = ""
) -> str:
    extents = extents or f'RW {DISK // SECTOR} SPARSE "disk.vmdk"'
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=3f2a1b4c\nparentCID={parent}\ncreateType="{kind}"\n{more}'
        f'\n# Extent description\n{extents}\n\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = "4"\n'
        'ddb.adapterType = "ide"\n'
    )


def vmdk(descriptor: str | None = None, *, capacity: int = DISK // SECTOR, flags: int = 3) -> bytes:
    """Header, descriptor, two grain directories with their tables; no grain is there."""
    tables = DISK // SECTOR // (512 * 128)
    header = struct.pack(
        "<4sIIQQQQIQQQB4sH", b"KDMV", 1, flags, capacity, 128, 1, 20, 512, 21, 26, 128, 0, b"\n \r\n", 0
    )
    first, second = 22, 27
    return patched(
        bytes(128 * SECTOR),
        (0, header),
        (SECTOR, (descriptor or vmdk_descriptor()).encode()),
        (21 * SECTOR, struct.pack(f"<{tables}I", *(first + 4 * n for n in range(tables)))),
        (26 * SECTOR, struct.pack(f"<{tables}I", *(second + 4 * n for n in range(tables)))),
    )


def vmdk_stream(descriptor: str | None = None, *, footer: bytes | None = None) -> bytes:
    """A streamOptimized disk whose directory is named by its footer."""
    text = descriptor or vmdk_descriptor(kind="streamOptimized")
    flags = 1 | 1 << 16 | 1 << 17

    def header(directory: int) -> bytes:
        return struct.pack(
            "<4sIIQQQQIQQQB4sH",
            b"KDMV",
            3,
            flags,
            DISK // SECTOR,
            128,
            1,
            20,
            512,
            0,
            directory,
            128,
            0,
            b"\n \r\n",
            1,
        ).ljust(SECTOR, b"\0")

    marks = [struct.pack("<QII", 1, 0, kind).ljust(SECTOR, b"\0") for kind in (2, 3)]
    body = patched(bytes(128 * SECTOR), (0, header(NO_OFFSET)), (SECTOR, text.encode()))
    end = bytes(SECTOR)
    return body + marks[0] + bytes(SECTOR) + marks[1] + (footer or header(129)) + end


def summed(block: bytes, at: int) -> bytes:
    """A VHD structure with its checksum at ``at``."""
    plain = patched(block, (at, bytes(4)))
    return patched(plain, (at, be32(~sum(plain) & 0xFFFF_FFFF)))


def vhd_footer(*, kind: int, size: int = DISK, data_offset: int = NO_OFFSET) -> bytes:
    fields = struct.pack(
        ">8sIIQI4sI4sQQIII16sB",
        b"conectix",
        2,
        0x10000,
        data_offset,
        0,
        b"win ",
        0x10000,
        b"Wi2k",
        size,
        size,
        0x0812_0411,
        kind,
        0,
        uuid.UUID(int=7).bytes,
        0,
    )
    return summed(fields.ljust(512, b"\0"), 64)


def vhd_fixed(*, size: int = MIB) -> bytes:
    return bytes(size) + vhd_footer(kind=2, size=size)


def vhd_header(*, blocks: int = DISK // (2 * MIB), table: int = 1536, block: int = 2 * MIB) -> bytes:
    fields = struct.pack(">8sQQIIII", b"cxsparse", NO_OFFSET, table, 0x10000, blocks, block, 0)
    return summed(fields.ljust(1024, b"\0"), 36)


def vhd_dynamic(*, header: bytes | None = None, footer: bytes | None = None) -> bytes:
    """Footer, header, block table without a block, footer."""
    footer = footer or vhd_footer(kind=3, data_offset=512)
    return footer + (header or vhd_header()) + b"\xff" * 512 + footer


def _le(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


BAT, METADATA = _le("2dc27766-f623-4200-9d64-115e9bfd4a08"), _le("8b7ca206-4790-4b9a-b8fe-575f050f886e")
PARAMETERS, SIZE = _le("caa16737-fa36-4d43-b3b6-33f0aa44e76b"), _le("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
LOGICAL, PHYSICAL = _le("8141bf1d-a96f-4709-ba47-f233a8faab5f"), _le("cda348c7-445d-4471-9cc9-e9885251c556")
DISK_ID, PARENT = _le("beca12ab-b2e6-4523-93ef-c309e000c746"), _le("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")


def checked(block: bytes) -> bytes:
    """A VHDX structure with its checksum."""
    plain = patched(block, (4, bytes(4)))
    return patched(plain, (4, struct.pack("<I", crc32c(plain))))


def vhdx_header(
    *, number: int = 1, log: bytes = bytes(16), version: int = 1, log_length: int = MIB, log_at: int = MIB
) -> bytes:
    fields = struct.pack(
        "<4sIQ16s16s16sHHIQ", b"head", 0, number, b"w" * 16, b"d" * 16, log, 0, version, log_length, log_at
    )
    return checked(fields.ljust(4096, b"\0"))


def vhdx_regions(*rows: tuple[bytes, int, int, int], count: int | None = None) -> bytes:
    rows = rows or ((BAT, 3 * MIB, MIB, 1), (METADATA, 2 * MIB, MIB, 1))
    table = struct.pack("<4sIII", b"regi", 0, len(rows) if count is None else count, 0)
    return checked((table + b"".join(struct.pack("<16sQII", *row) for row in rows)).ljust(CLUSTER, b"\0"))


VHDX_ITEMS: Mapping[bytes, tuple[bytes, int]] = {
    PARAMETERS: (struct.pack("<II", 8 * MIB, 0), 4),
    SIZE: (struct.pack("<Q", DISK), 6),
    LOGICAL: (struct.pack("<I", 512), 6),
    PHYSICAL: (struct.pack("<I", 4096), 6),
    DISK_ID: (b"i" * 16, 6),
}


def vhdx_metadata(
    items: Mapping[bytes, tuple[bytes, int]] = VHDX_ITEMS, *, count: int | None = None
) -> bytes:
    table = struct.pack("<8sHH20x", b"metadata", 0, len(items) if count is None else count)
    content = b""
    for kind, (value, flags) in items.items():
        table += struct.pack("<16sIIII", kind, CLUSTER + len(content), len(value), flags, 0)
        content += value
    return table.ljust(CLUSTER, b"\0") + content


def vhdx(
    *,
    headers: tuple[bytes, bytes] | None = None,
    regions: bytes | None = None,
    metadata: bytes | None = None,
    bat: bytes = b"",
    size: int = 4 * MIB,
) -> bytes:
    """Identifier, two headers, two region tables, an empty log, metadata, block table; no block is there."""
    first, second = headers or (vhdx_header(number=1), vhdx_header(number=2))
    regions = regions or vhdx_regions()
    return patched(
        bytes(size),
        (0, b"vhdxfile" + "test".encode("utf-16-le")),
        (64 << 10, first),
        (128 << 10, second),
        (192 << 10, regions),
        (256 << 10, regions),
        (2 * MIB, metadata or vhdx_metadata()),
        (3 * MIB, bat),
    )


def vdi(
    *,
    kind: int = 1,
    blocks: int = DISK // MIB,
    allocated: int = 0,
    size: int = DISK,
    version: int = 0x10001,
    parent: bytes = bytes(16),
) -> bytes:
    """Header and a block map without a block."""
    head = b"<<< test >>>\n".ljust(64, b"\0") + struct.pack("<IIIII", 0xBEDA107F, version, 0x190, kind, 0)
    places = struct.pack("<IIIIIII", 512, 1024, 0, 0, 0, 512, 0)
    sizes = struct.pack("<QIIII", size, MIB, 0, blocks, allocated)
    ids = b"i" * 16 + b"s" * 16 + bytes(16) + parent
    return patched(
        bytes(1024), (0, head), (0x154, places), (0x170, sizes), (0x188, ids), (512, b"\xff" * 512)
    )


def iso_descriptor(*, blocks: int = 32, block: int = 2048) -> bytes:
    return patched(
        bytes(2048),
        (0, b"\x01CD001\x01"),
        (80, struct.pack("<I", blocks) + struct.pack(">I", blocks)),
        (128, struct.pack("<H", block) + struct.pack(">H", block)),
    )


def iso(descriptor: bytes | None = None, *, size: int = 1 << 16) -> bytes:
    end = b"\xffCD001\x01"
    return patched(bytes(size), (32 << 10, descriptor or iso_descriptor()), (34 << 10, end))


def mbr(*rows: tuple[int, int, int, int], size: int = MIB) -> bytes:
    """A disk with these partitions: boot flag, kind, first sector, number of sectors."""
    rows = rows or ((0x80, 0x83, 64, 1024),)
    table = b"".join(struct.pack("<B3xB3xII", *row) for row in rows)
    return patched(bytes(size), (446, table), (510, b"\x55\xaa"))


def gpt(*, size: int = MIB, copy: int | None = None, sector: int = 512) -> bytes:
    copy = size // sector - 1 if copy is None else copy
    header = struct.pack("<8sIIIIQQQQ", b"EFI PART", 0x10000, 92, 0, 0, 1, copy, 34, copy - 33)
    protective = patched(mbr((0, 0xEE, 1, 0xFFFF_FFFF), size=size), (447, b"\0\2\0"))
    return patched(protective, (sector, header))


ITEM = (
    "<Item><rasd:ResourceType>{}</rasd:ResourceType><rasd:VirtualQuantity>{}</rasd:VirtualQuantity>{}</Item>"
)
UNITS = "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>"


def ovf(
    *,
    files: str = '<File ovf:id="file1" ovf:href="disk.vmdk" ovf:size="1"/>',
    disks: str = '<Disk ovf:diskId="d1" ovf:fileRef="file1" ovf:capacity="64" '
    'ovf:capacityAllocationUnits="byte * 2^20"/>',
    before: str = "",
    systems: int = 1,
) -> str:
    items = (
        ITEM.format(3, 2, "") + ITEM.format(4, 2048, UNITS) + ITEM.format(10, 1, "") + ITEM.format(10, 1, "")
    )
    system = (
        '<VirtualSystem ovf:id="vm"><OperatingSystemSection ovf:id="96">'
        "<Description>Debian GNU/Linux 12 (64-bit)</Description></OperatingSystemSection>"
        f"<VirtualHardwareSection>{items}"
        '<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>'
        "</VirtualHardwareSection></VirtualSystem>"
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{before}'
        '<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"'
        ' xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"'
        ' xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"'
        ' xmlns:vmw="http://www.vmware.com/schema/ovf">'
        f"<References>{files}</References><DiskSection><Info/>{disks}</DiskSection>"
        f"{system * systems}</Envelope>"
    )


def member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def tar(*files: tuple[tarfile.TarInfo | str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for named, content in files:
            info = member(named) if isinstance(named, str) else named
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def ova(
    *more: tuple[tarfile.TarInfo | str, bytes],
    descriptor: str | None = None,
    disk: bytes | None = None,
    disk_name: str = "disk.vmdk",
) -> bytes:
    text = (descriptor or ovf()).encode()
    return tar(("vm.ovf", text), (disk_name, disk or vmdk_stream()), *more)
