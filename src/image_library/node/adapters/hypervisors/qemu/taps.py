"""A VM's end of a bridge: a tap device, which lives as long as its qemu holds the descriptor and no longer.

So nothing is ever left of it, whatever ended the VM, the daemon or both. qemu itself may start no program and
gain no rights, so the descriptor is made here, or by qemu's helper, and inherited.
Source: https://docs.kernel.org/networking/tuntap.html
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import socket
import struct
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

from image_library.domain.errors import BridgeMissing, HypervisorFailed, printable
from image_library.domain.machine import Machine, NetworkCard
from image_library.node.adapters.hypervisors.host_bridges import (
    HELPER,
    find_helper,
    may_administer_network,
)

HELPER_SECONDS = 10.0
# linux/if_tun.h, linux/sockios.h, linux/if.h, linux/if_arp.h.
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCGIFMTU, _SIOCSIFMTU = 0x8913, 0x8914, 0x8921, 0x8922
_SIOCSIFHWADDR, _SIOCBRADDIF = 0x8924, 0x89A2
_IFF_UP = 1
_ARPHRD_ETHER = 1
_IFREQ_BYTES = 40


def tap_name(vm_id: str, number: int) -> str:
    """Of a VM's card: at most 15 characters, the same at every start, no other VM's."""
    return f"lq{hashlib.sha256(vm_id.encode()).hexdigest()[:10]}-{number}"


@asynccontextmanager
async def taps_for(machine: Machine) -> AsyncGenerator[dict[int, int]]:
    """The descriptor of each card that is on a bridge, by the card's number, for qemu to inherit.

    Once the block is left only qemu holds them: if it has not started, they are gone.

    Raises:
        BridgeMissing: nothing may be put on it.
        HypervisorFailed: the kernel or the helper refused; the sentence is its own.
    """
    with ExitStack() as ours:
        made: dict[int, int] = {}
        for card in machine.cards:
            if card.bridge:
                made[card.number] = await _tap(machine.vm_id, card)
                ours.callback(os.close, made[card.number])
        yield made


async def _tap(vm_id: str, card: NetworkCard) -> int:
    if not may_administer_network():
        return await tap_by_helper(card.bridge, find_helper())
    try:
        return await asyncio.to_thread(_own, tap_name(vm_id, card.number), card)
    except OSError as error:
        why = printable(error.strerror or "it gave no reason").lower()
        raise HypervisorFailed(f"The VM cannot be put on the bridge '{card.bridge}': {why}.") from error


def _own(name: str, card: NetworkCard) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        wanted = struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(tap, _TUNSETIFF, wanted.ljust(_IFREQ_BYTES, b"\0"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            _connect(any_socket, name, card)
    except BaseException:
        os.close(tap)
        raise
    return tap


def _connect(any_socket: socket.socket, name: str, card: NetworkCard) -> None:
    # A bridge takes the least address on it for its own: this one is as great as can be.
    address = bytes.fromhex("fe" + card.mac_address.replace(":", "")[2:])
    _tell(any_socket, _SIOCSIFHWADDR, name, struct.pack("H6s", _ARPHRD_ETHER, address))
    asked = struct.pack("16s", card.bridge.encode()).ljust(_IFREQ_BYTES, b"\0")
    mtu = struct.unpack_from("i", fcntl.ioctl(any_socket, _SIOCGIFMTU, asked), 16)[0]
    _tell(any_socket, _SIOCSIFMTU, name, struct.pack("i", mtu))
    _tell(any_socket, _SIOCBRADDIF, card.bridge, struct.pack("i", socket.if_nametoindex(name)))
    asked = struct.pack("16s", name.encode()).ljust(_IFREQ_BYTES, b"\0")
    flags = struct.unpack_from("H", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked), 16)[0]
    _tell(any_socket, _SIOCSIFFLAGS, name, struct.pack("H", flags | _IFF_UP))


def _tell(any_socket: socket.socket, request: int, device: str, value: bytes) -> None:
    said = struct.pack("16s", device.encode()) + value
    fcntl.ioctl(any_socket, request, said.ljust(_IFREQ_BYTES, b"\0"))


async def tap_by_helper(bridge: str, program: str) -> int:
    """By qemu's own program, which has the rights that are lacking here and obeys /etc/qemu/bridge.conf."""
    if not program:
        raise BridgeMissing(
            "This node may not put a VM on a bridge.",
            remedy=f"Run it as root or with CAP_NET_ADMIN, or install {HELPER} with its setuid bit.",
        )
    ours, its = socket.socketpair()
    with ours, its:
        process = await asyncio.create_subprocess_exec(
            *(program, "--use-vnet", f"--br={bridge}", f"--fd={its.fileno()}"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env={"LC_ALL": "C"},
            pass_fds=(its.fileno(),),
        )
        try:
            async with asyncio.timeout(HELPER_SECONDS):
                _, said = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            said = b"it hangs"
        if process.returncode:
            words = printable(said.decode("utf-8", "replace").strip(), 200).removesuffix(".")
            raise HypervisorFailed(
                f"{HELPER} did not put the VM on the bridge '{bridge}': {words}.",
                remedy=f"Write 'allow {bridge}' into /etc/qemu/bridge.conf on the node.",
            )
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return descriptors[0]
