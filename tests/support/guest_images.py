"""Small disk images with real file systems inside, made without root or mounts by their own tools."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

MIB = 1 << 20
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
CLOUD_CFG = "users: [default]\nsystem_info: {default_user: {name: debian}}\n"
# As a distribution lays them out, links included.
SYSTEM: Mapping[str, str | bytes] = {
    "usr/lib/os-release": OS_RELEASE,
    "etc/cloud/cloud.cfg": CLOUD_CFG,
    "etc/cloud/cloud.cfg.d/90_sources.cfg": "datasource_list: [NoCloud, None]\n",
    "usr/bin/cloud-init": "#!/usr/bin/python3\n",
    "usr/sbin/qemu-ga": "an agent",
    "usr/bin/busybox": b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + b"\xb7\0" + bytes(100),
}
LINKS = {"etc/os-release": "../usr/lib/os-release", "bin": "usr/bin", "sbin": "/usr/sbin"}


def run(*command: str | Path, stdin: str = "") -> None:
    subprocess.run([str(word) for word in command], input=stdin, text=True, check=True, capture_output=True)


def tree(folder: Path, files: Mapping[str, str | bytes] = SYSTEM, links: Mapping[str, str] = LINKS) -> Path:
    """A folder with these files and links."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, target in links.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return folder


def ext(image: Path, folder: Path, *options: str, kind: str = "ext4", mib: int = 16) -> Path:
    run("mke2fs", "-q", "-F", "-t", kind, *options, "-d", folder, image, f"{mib}M")
    return image


def btrfs(image: Path, folder: Path) -> Path:
    sized(image, 128)
    run("mkfs.btrfs", "-q", "--mixed", "--rootdir", folder, image)
    return image


def xfs(image: Path, folder: Path, *options: str) -> Path:
    sized(image, 300)
    prototype = image.with_suffix(".proto")
    prototype.write_text("/\n0 0\n" + "\n".join(_prototype(folder)) + "\n")
    run("mkfs.xfs", "-q", *options, "-p", prototype, image)
    return image


def _prototype(folder: Path) -> list[str]:
    """The tree in mkfs.xfs's own words."""
    lines = ["d--755 0 0"]
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            lines.append(f"{path.name} l--777 0 0 {path.readlink()}")
        elif path.is_dir():
            first, *rest = _prototype(path)
            lines += [f"{path.name} {first}", *rest]
        else:
            lines.append(f"{path.name} ---755 0 0 {path}")
    return [*lines, "$"]


def vfat(image: Path, folder: Path, *, bits: int = 16, mib: int = 16) -> Path:
    sized(image, mib)
    run("mkfs.vfat", "-F", str(bits), image)
    run("mcopy", "-s", "-i", image, *folder.iterdir(), "::/")
    return image


def sized(image: Path, mib: int) -> Path:
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    return image


def disk(image: Path, label: str, *partitions: tuple[str, Path | None]) -> Path:
    """A partitioned disk: kinds as sfdisk names them, and what each holds (None: nothing, 1 MiB)."""
    sizes = [(part.stat().st_size // MIB if part else 1) for _, part in partitions]
    sized(image, sum(sizes) + 4 + len(sizes))
    at, rows, places = 2, [f"label: {label}"], list[int]()
    for (kind, _), size in zip(partitions, sizes, strict=True):
        rows.append(f"start={at}MiB, size={size}MiB, type={kind}")
        places.append(at)
        at += size + (1 if label == "dos" else 0)
    run("sfdisk", "--quiet", image, stdin="\n".join(rows) + "\n")
    for (_, part), place in zip(partitions, places, strict=True):
        if part is not None:
            with part.open("rb") as source, image.open("r+b") as target:
                target.seek(place * MIB)
                shutil.copyfileobj(source, target)
    return image


def qcow2(raw: Path, *options: str) -> Path:
    target = raw.with_suffix(".qcow2")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, target)
    return target
