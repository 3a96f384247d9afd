"""Ordinary images of every format and variant that the usual tools make; each must be accepted."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pycdlib

from image_library.domain.image import ImageFormat
from tests.support.corpus import good, unclosed
from tests.support.corpus.patching import patched

DISK = 8 << 20
# QEMU's own names.
DRIVERS = {
    ImageFormat.QCOW2: "qcow2",
    ImageFormat.VMDK: "vmdk",
    ImageFormat.VHD: "vpc",
    ImageFormat.VHDX: "vhdx",
    ImageFormat.VDI: "vdi",
    ImageFormat.RAW: "raw",
    ImageFormat.ISO: "raw",
}
_EMPTY = (
    ("qcow2", ""),
    ("qcow2", "compat=0.10"),
    ("qcow2", "cluster_size=512"),
    ("qcow2", "cluster_size=4k"),
    ("qcow2", "cluster_size=2M"),
    ("qcow2", "lazy_refcounts=on"),
    ("qcow2", "extended_l2=on"),
    ("qcow2", "extended_l2=on,cluster_size=2M"),
    ("qcow2", "compression_type=zstd"),
    ("qcow2", "preallocation=metadata"),
    ("qcow2", "preallocation=falloc"),
    ("qcow2", "refcount_bits=1"),
    ("qcow2", "refcount_bits=64"),
    ("vmdk", ""),
    ("vmdk", "subformat=streamOptimized"),
    ("vmdk", "adapter_type=lsilogic,hwversion=11"),
    ("vmdk", "compat6"),
    ("vpc", ""),
    ("vpc", "subformat=fixed"),
    ("vpc", "force_size=on"),
    ("vhdx", ""),
    ("vhdx", "subformat=fixed"),
    ("vhdx", "block_size=1M"),
    ("vhdx", "block_size=256M"),
    ("vhdx", "log_size=2M"),
    ("vdi", ""),
    ("vdi", "static=on"),
)
_FILLED = (
    ("qcow2", ""),
    ("qcow2", "compat=0.10"),
    ("qcow2", "cluster_size=512"),
    ("qcow2", "cluster_size=2M"),
    ("qcow2", "extended_l2=on"),
    ("qcow2", "lazy_refcounts=on"),
    ("-c qcow2", ""),
    ("-c qcow2", "compat=0.10"),
    ("-c qcow2", "compression_type=zstd"),
    ("-c qcow2", "cluster_size=4k"),
    ("vmdk", ""),
    ("vmdk", "subformat=streamOptimized"),
    ("vmdk", "adapter_type=lsilogic,subformat=streamOptimized"),
    ("vpc", ""),
    ("vpc", "subformat=fixed"),
    ("vpc", "force_size=on,subformat=fixed"),
    ("vhdx", ""),
    ("vhdx", "subformat=fixed"),
    ("vhdx", "block_size=1M"),
    ("vhdx", "block_state_zero=off"),
    ("vdi", ""),
    ("vdi", "static=on"),
)


@dataclass(frozen=True, kw_only=True)
class Benign:
    path: Path
    format: ImageFormat

    @property
    def name(self) -> str:
        return self.path.name


def build_benign(folder: Path) -> tuple[Benign, ...]:
    disk = folder / "filled.img"
    disk.write_bytes(good.mbr(size=1 << 20) + random.Random(4).randbytes(1 << 20) + bytes(DISK - (2 << 20)))
    made = [Benign(path=disk, format=ImageFormat.RAW)]
    made += [_qemu(folder, number, *row, disk=None) for number, row in enumerate(_EMPTY)]
    made += [_qemu(folder, number, *row, disk=disk) for number, row in enumerate(_FILLED)]
    made += [_changed(folder, disk, number) for number in range(len(_CHANGES))]
    made += [_written(folder, name, content()) for name, content in _WRITTEN.items()]
    return tuple(made)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def _qemu(folder: Path, number: int, kind: str, options: str, *, disk: Path | None) -> Benign:
    *more, driver = kind.split()
    path = folder / f"{'filled' if disk else 'empty'}-{number:02}.{driver}"
    chosen = ("-o", options) if options else ()
    if disk:
        _run("qemu-img", "convert", "-q", *more, "-f", "raw", "-O", driver, *chosen, str(disk), str(path))
    else:
        _run("qemu-img", "create", "-q", "-f", driver, *chosen, str(path), str(DISK))
    return Benign(path=path, format=next(form for form, name in DRIVERS.items() if name == driver))


_CHANGES = (
    (("snapshot", "-c", "one"), ("snapshot", "-c", "two")),
    (("bitmap", "--add", "-f", "qcow2", "{}", "b0"),),
    (("resize", "-q", "{}", "1G"),),
    (("resize", "-q", "{}", "2T"),),
    (("snapshot", "-c", "only"), ("snapshot", "-d", "only")),
)


def _changed(folder: Path, disk: Path, number: int) -> Benign:
    """A qcow2 that somebody worked with."""
    path = folder / f"changed-{number}.qcow2"
    _run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", str(disk), str(path))
    for change in _CHANGES[number]:
        named = "{}" in change
        _run("qemu-img", *(word.format(path) for word in change), *(() if named else (str(path),)))
    return Benign(path=path, format=ImageFormat.QCOW2)


def _iso(*, joliet: bool = False, rock: bool = False, udf: bool = False) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.new(
        interchange_level=3,
        joliet=3 if joliet else None,
        rock_ridge="1.09" if rock else None,
        udf="2.60" if udf else None,
        vol_ident="cidata",
    )
    content = bytes(2048)
    iso.add_fp(
        BytesIO(content),
        len(content),
        "/BOOT.IMG;1",
        joliet_path="/boot.img" if joliet else None,
        rr_name="boot.img" if rock else None,
        udf_path="/boot.img" if udf else None,
    )
    out = BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def _hybrid_gpt() -> bytes:
    """A bootable ISO with a GPT in front, as installers have them."""
    plain = good.iso(size=1 << 20)
    return good.gpt(size=1 << 20)[: 32 << 10] + plain[32 << 10 :]


def _hybrid_boot() -> bytes:
    """An ISO with an MBR in front, as isohybrid makes them."""
    return good.mbr((0x80, 0x17, 64, 1), size=1 << 20)[: 32 << 10] + _iso(joliet=True)[32 << 10 :]


def _boot_sector() -> bytes:
    """A disk that is one FAT file system: code where the table of an MBR would be."""
    return patched(
        bytes(1 << 20),
        (0, b"\xeb\x3c\x90mkfs.fat"),
        (16, b"\2\0\2\0\x08\xf8"),
        (446, b"\xcd\x19" * 30),
        (510, b"\x55\xaa"),
    )


_WRITTEN: dict[str, Callable[[], bytes]] = {
    "plain.iso": _iso,
    "joliet.iso": lambda: _iso(joliet=True),
    "rock.iso": lambda: _iso(rock=True),
    "udf.iso": lambda: _iso(udf=True),
    "seed.iso": lambda: _iso(joliet=True, rock=True),
    "hybrid-mbr.iso": _hybrid_boot,
    "hybrid-gpt.iso": _hybrid_gpt,
    "mbr.img": good.mbr,
    "gpt.img": good.gpt,
    "gpt-4k.img": lambda: good.gpt(sector=4096),
    "boot-sector.img": _boot_sector,
    "empty.raw": lambda: bytes(1 << 20),
    "stream.ova": good.ova,
    "sparse.ova": lambda: good.ova(disk=good.vmdk()),
    "qcow2.ova": lambda: good.ova(disk=good.qcow2()),
    "vhd.ova": lambda: good.ova(disk=good.vhd_dynamic()),
    "raw.ova": lambda: good.ova(disk=good.gpt()),
    "manifest.ova": lambda: good.ova(("vm.mf", b"SHA256(vm.ovf)= 0\n"), ("vm.nvram", b"n")),
    "pax.ova": lambda: good.ova((good.member("x", kind=b"x"), b"20 mtime=1700000000\n"), ("vm.mf", b"m")),
    **{f"unclosed-{name}.qcow2": content for name, content in unclosed.WHOLE.items()},
    "unclosed.ova": lambda: good.ova(disk=unclosed.WHOLE["flag"]()),
    "dot.ova": lambda: good.tar(("./vm.ovf", good.ovf().encode()), ("./disk.vmdk", good.vmdk_stream())),
}
_KINDS = {
    ".iso": ImageFormat.ISO,
    ".img": ImageFormat.RAW,
    ".raw": ImageFormat.RAW,
    ".ova": ImageFormat.OVA,
    ".qcow2": ImageFormat.QCOW2,
}


def _written(folder: Path, name: str, content: bytes) -> Benign:
    path = folder / name
    path.write_bytes(content)
    return Benign(path=path, format=_KINDS[path.suffix])
