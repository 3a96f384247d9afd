"""The disk: a tree becomes a GPT disk that BIOS and UEFI can boot, without loop devices or mounts."""

from __future__ import annotations

import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from .commands import Run

MIB = 1 << 20
SECTOR = 512
ROOT_MIB = 700
# Debian's own layout: partition 14 is for GRUB in BIOS mode, 15 the EFI system partition, 1 the rest.
BIOS_AT_MIB, BIOS_MIB = 1, 1
ESP_AT_MIB, ESP_MIB = 2, 8
ROOT_AT_MIB = 16
_GRUB_MODULES = ("part_gpt", "ext2", "search", "search_fs_uuid", "normal", "linux", "serial", "terminal")
_CONSOLE = "console=tty0 console=ttyS0,115200"
_TRIMMED_CONSOLE = (
    "console=ttyS0,115200 quiet systemd.show_status=0 mitigations=off tsc=reliable no_timer_check "
    "random.trust_cpu=on audit=0 selinux=0 apparmor=0 nowatchdog"
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """The build's folder, the root file system's UUID and the runner of programs."""

    folder: Path
    root_uuid: str
    run: Run

    def file(self, name: str) -> str:
        return str(self.folder / name)


def make(root: Path, image: Path, *, trimmed: bool, run: Run) -> None:
    """Write the tree "root" as the compressed qcow2 "image"; intermediate files lie beside the image."""
    work = Work(folder=image.parent, root_uuid=str(uuid.uuid4()), run=run)
    write_boot_settings(root, work.root_uuid, trimmed=trimmed)
    make_root_file_system(root, work)
    make_grub(work)
    assemble(work)
    run(
        *("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-W", "-m", "4"),
        *("-c", "-o", "compression_type=zstd", work.file("disk.raw"), str(image)),
    )


def write_boot_settings(root: Path, root_uuid: str, *, trimmed: bool) -> None:
    (root / "etc/fstab").write_text(f"UUID={root_uuid} / ext4 errors=remount-ro,x-systemd.growfs 0 1\n")
    (root / "boot/grub").mkdir(parents=True, exist_ok=True)
    (root / "boot/grub/grub.cfg").write_text(
        "set timeout=0\n"
        "serial --unit=0 --speed=115200\n"
        "terminal_input serial console\n"
        "terminal_output serial console\n"
        'menuentry "Debian GNU/Linux" {\n'
        f"  linux /vmlinuz root=UUID={root_uuid} ro {_TRIMMED_CONSOLE if trimmed else _CONSOLE}\n"
        "  initrd /initrd.img\n"
        "}\n"
    )


def make_root_file_system(root: Path, work: Work) -> None:
    work.run(
        *("mke2fs", "-q", "-t", "ext4", "-d", str(root), "-U", work.root_uuid, "-L", "cloudimg-rootfs"),
        # GRUB 2.06 reads no newer features than these; no blocks are kept for root in so small a disk.
        *("-O", "^metadata_csum", "-E", "lazy_itable_init=1,root_owner=0:0", "-m", "0"),
        *(work.file("root.ext4"), f"{ROOT_MIB}M"),
    )


def make_grub(work: Work) -> None:
    """GRUB's first stages for BIOS and UEFI, which find the root file system by its UUID; and the ESP."""
    early = work.folder / "early.cfg"
    early.write_text(
        f"search --no-floppy --fs-uuid --set=root {work.root_uuid}\nset prefix=($root)/boot/grub\nnormal\n"
    )
    common = ("grub-mkimage", "-p", "/boot/grub", "-c", str(early), "-o")
    work.run(*common, work.file("BOOTX64.EFI"), "-O", "x86_64-efi", *_GRUB_MODULES, "fat", "efi_gop")
    work.run(*common, work.file("core.img"), "-O", "i386-pc", *_GRUB_MODULES, "biosdisk")
    esp = work.file("esp.img")
    with Path(esp).open("wb") as file:
        file.truncate(ESP_MIB * MIB)
    work.run("mkfs.vfat", "-n", "UEFI", esp)
    work.run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    work.run("mcopy", "-i", esp, work.file("BOOTX64.EFI"), "::/EFI/BOOT/")


def assemble(work: Work) -> None:
    disk = work.folder / "disk.raw"
    with disk.open("wb") as file:
        file.truncate((ROOT_AT_MIB + ROOT_MIB + 1) * MIB)
    work.run("sfdisk", "--quiet", str(disk), stdin=partition_table())
    with disk.open("r+b") as file:
        copy_in(file.fileno(), work.folder / "root.ext4", at=ROOT_AT_MIB * MIB)
        copy_in(file.fileno(), work.folder / "esp.img", at=ESP_AT_MIB * MIB)
        boot, core = bios_stages(work.folder / "core.img")
        file.seek(0)
        file.write(boot)
        file.seek(BIOS_AT_MIB * MIB)
        file.write(core)


def partition_table() -> str:
    def row(number: int, at_mib: int, size_mib: int, kind: str) -> str:
        return f"{number} : start={at_mib}MiB, size={size_mib}MiB, type={kind}\n"

    return (
        "label: gpt\n"
        + row(1, ROOT_AT_MIB, ROOT_MIB, "L")
        + row(14, BIOS_AT_MIB, BIOS_MIB, "21686148-6449-6E6F-744E-656564454649")
        + row(15, ESP_AT_MIB, ESP_MIB, "U")
    )


def bios_stages(core_image: Path) -> tuple[bytes, bytes]:
    """The boot sector and the core image as grub-bios-setup would write them, but it wants a device.

    Offsets are those of GRUB's include/grub/i386/pc/boot.h: the kernel's sector at 0x5C, the drive check at
    0x66; and the first block list of core.img at 0x1F4 (sector, length in sectors, segment).
    """
    boot = bytearray(Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()[:440])
    first = BIOS_AT_MIB * MIB // SECTOR
    struct.pack_into("<Q", boot, 0x5C, first)
    boot[0x66:0x68] = b"\x90\x90"
    core = bytearray(core_image.read_bytes())
    struct.pack_into("<QHH", core, 0x1F4, first + 1, (len(core) - 1) // SECTOR, 0x820)
    if len(core) > BIOS_MIB * MIB:
        raise ValueError("GRUB's core image does not fit into its partition")
    return bytes(boot), bytes(core)


def copy_in(disk: int, source: Path, *, at: int) -> None:
    """Copy a file to an offset of the disk, leaving zeros as holes."""
    with source.open("rb") as file:
        while block := file.read(MIB):
            if block.strip(b"\0"):
                os.pwrite(disk, block, at)
            at += len(block)
