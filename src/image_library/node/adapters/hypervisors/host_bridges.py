"""The bridges of this host that its operator lets VMs onto, and whether anything can be put on them."""

from __future__ import annotations

import array
import fcntl
import os
import shutil
import socket
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from image_library.domain.errors import BridgeDenied, BridgeMissing
from image_library.domain.machine import Machine

# linux/sockios.h, linux/ethtool.h, linux/capability.h.
_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO = 3
_CAP_NET_ADMIN = 12
# struct ethtool_drvinfo: its command, then the driver's name in 32 bytes.
_INFO_BYTES = 196
_IFREQ_BYTES = 40

HELPER = "qemu-bridge-helper"
# Where distributions put it; none of them is in PATH.
_HELPER_PLACES = "/usr/lib/qemu:/usr/libexec:/usr/libexec/qemu:/usr/local/libexec"


class HostBridges:
    """Those in ``allowed``, by name."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(allowed)

    def usable(self) -> tuple[str, ...]:
        """Those that are there and that a VM's card can be put on. Asks the kernel."""
        if not (may_administer_network() or find_helper()):
            return ()
        return tuple(name for name in self._allowed if is_bridge(name))

    def judge(self, machine: Machine) -> None:
        """Whether the machine's cards can be where they are to be; may have changed at each start.

        Raises:
            BridgeDenied: the operator lets no VM onto one of them.
            BridgeMissing: there is no such bridge.
        """
        for card in machine.cards:
            if card.bridge and card.bridge not in self._allowed:
                raise BridgeDenied(
                    f"This node lets no VM onto the bridge '{card.bridge}'.", field="spec.nics.network_id"
                )
            if card.bridge and not is_bridge(card.bridge):
                raise BridgeMissing(
                    f"There is no bridge '{card.bridge}' on this node.", field="spec.nics.network_id"
                )


def is_bridge(name: str) -> bool:
    """Whether it is one of the kernel's bridges, in the network namespace of the caller."""
    info = array.array("B", struct.pack("=I", _ETHTOOL_GDRVINFO).ljust(_INFO_BYTES, b"\0"))
    asked = struct.pack("16sP", name.encode(), info.buffer_info()[0]).ljust(_IFREQ_BYTES, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, asked)
        except OSError:
            return False
    return info.tobytes()[4:36].rstrip(b"\0") == b"bridge"


def may_administer_network() -> bool:
    """Whether this process may make network devices itself: as root, or with CAP_NET_ADMIN."""
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_NET_ADMIN & 1)


def find_helper() -> str:
    """The path of qemu's own program that makes them for others; empty where it could not."""
    program = shutil.which(HELPER, path=_HELPER_PLACES)
    if program is None:
        return ""
    found = Path(program).stat()
    able = (found.st_mode & stat.S_ISUID and found.st_uid == 0) or _has_file_capabilities(program)
    return program if able else ""


def _has_file_capabilities(program: str) -> bool:
    try:
        return bool(os.getxattr(program, "security.capability"))
    except OSError:
        return False
