"""What lies where in a VM's folder, and sockets there whatever the folder's path is."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager

from image_library.domain.machine import Machine

SEED = "seed.iso"
SERIAL = "serial.log"
# The console of the boot before this one.
SERIAL_BEFORE = "serial.log.1"
QEMU_LOG = "qemu.log"
PID = "qemu.pid"
MONITOR = "qmp.sock"
AGENT = "agent.sock"
SERIAL_SOCKET = "serial.sock"
# Where a guest's requests to its node come out.
DOOR = "door.sock"
# What guests without a seed are told at that door, and the serial number that says where it is.
SERVED_SEED = "seed.json"
SMBIOS_SERIAL = "smbios-serial"
UEFI_VARIABLES = "uefi-vars.fd"
TPM_LOG = "tpm.log"


def serial_of(machine: Machine, folder: int) -> str:
    """What the machine's serial number says; empty where it need not say anything. Raises OSError."""
    return read(folder, SMBIOS_SERIAL).decode() if machine.seed_served else ""


@contextmanager
def opened(folder: str) -> Generator[int]:
    """The folder as a descriptor. Raises FileNotFoundError, or NotADirectoryError for a link."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def address(folder: int, name: str) -> str:
    """A socket's address, short enough for the kernel (108 bytes) also where the folder's path is not."""
    return f"/proc/self/fd/{folder}/{name}"


def listening(folder: int, name: str) -> socket.socket:
    """A Unix socket bound in the folder (0600), in place of one that was left there."""
    removed(folder, name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(address(folder, name))
        os.chmod(name, 0o600, dir_fd=folder)
        listener.listen(1)
    except BaseException:
        listener.close()
        raise
    return listener


def connected(folder: int, name: str) -> socket.socket:
    """A connection to a socket in the folder. A listener on this machine answers at once or never."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Blocking or not makes no difference here, except that a full backlog must not block the loop.
        peer.setblocking(False)
        peer.connect(address(folder, name))
    except BaseException:
        peer.close()
        raise
    return peer


def read(folder: int, name: str) -> bytes:
    """A whole file of the folder. Raises OSError, for a link too."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def removed(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
