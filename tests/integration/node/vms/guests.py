"""Guests of one sector: real machine code that a BIOS boots in a moment."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.support.guest_images import run

SECTOR = 512
MIB = 1 << 20
UEFI_DISK_BYTES = 4 * MIB
DISK_BYTES = 1 << 20
_ORIGIN = 0x7C00

# cli; xor ax,ax; mov ds,ax
_BEGIN = bytes.fromhex("fa 31c0 8ed8")
# mov dx,0x3f8; next: lodsb; test al,al; jz end; out dx,al; jmp next
_PRINT = bytes.fromhex("baf803 ac 84c0 7403 ee ebf8")
# mov dx,0x604; mov ax,0x2000; out dx,ax: q35's ACPI power-off
_POWER_OFF = bytes.fromhex("ba0406 b80020 ef")
# hlt; jmp to it
# mov dx,0x3fd; next: in al,dx; test al,1; jz next; mov dl,0xf8; in al,dx; out dx,al; mov dl,0xfd; jmp next
_ECHO = bytes.fromhex("bafd03 ec a801 74fb b2f8 ec ee b2fd ebf3")
# mov dx,0x3f8; mov al,'x'; next: out dx,al; jmp next
_FLOOD = bytes.fromhex("baf803 b078 ee ebfd")
# mov dx,0x3fd; next: in al,dx; test al,1; jz next; mov dx,0x3f8; in al,dx: wait for a byte, and take it;
# mov dx,0xcf9; mov al,6; out dx,al: the chipset's reset control
_WAIT_AND_RESET = bytes.fromhex("bafd03 ec a801 74fb baf803 ec baf90c b006 ee")
_HALT = bytes.fromhex("f4 ebfd")


def idle_guest(path: Path, text: str = "") -> Path:
    """A disk whose guest prints ``text`` on its serial console and then rests for ever."""
    return _disk(path, text, b"")


def leaving_guest(path: Path, text: str = "") -> Path:
    """A disk whose guest prints ``text`` and switches itself off."""
    return _disk(path, text, _POWER_OFF)


def echoing_guest(path: Path, text: str = "") -> Path:
    """A disk whose guest prints ``text``, and then writes back every byte that it is sent."""
    return _disk(path, text, _ECHO)


def rebooting_guest(path: Path, text: str = "") -> Path:
    """A disk whose guest prints ``text``, and starts anew with every byte that it is sent."""
    return _disk(path, text, _WAIT_AND_RESET)


def flooding_guest(path: Path) -> Path:
    """A disk whose guest writes without an end."""
    return _disk(path, "", _FLOOD)


def _disk(path: Path, text: str, last_words: bytes) -> Path:
    length = len(_BEGIN) + 3 + len(_PRINT) + len(last_words) + len(_HALT)
    where = b"\xbe" + struct.pack("<H", _ORIGIN + length)
    code = _BEGIN + where + _PRINT + last_words + _HALT + text.encode() + b"\0"
    assert len(code) <= SECTOR - 2
    path.write_bytes(code.ljust(SECTOR - 2, b"\0") + b"\x55\xaa")
    with path.open("r+b") as disk:
        disk.truncate(DISK_BYTES)
    return path


def uefi_guest(path: Path, text: str) -> Path:
    """A FAT disk whose unsigned EFI program prints ``text`` on its console and then waits for keys."""
    early, program = path.with_suffix(".cfg"), path.with_suffix(".efi")
    early.write_text(f"echo {text}\n")
    run("grub-mkimage", "-O", "x86_64-efi", "-p", "/boot", "-c", early, "-o", program, "echo", "fat")
    with path.open("wb") as disk:
        disk.truncate(UEFI_DISK_BYTES)
    run("mkfs.vfat", path)
    run("mmd", "-i", path, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", path, program, "::/EFI/BOOT/BOOTX64.EFI")
    return path
