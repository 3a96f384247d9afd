"""A network of the test's own: another network namespace for this thread, and all that it starts."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 0x0003


@contextmanager
def own_network_or_skip() -> Generator[None]:
    """With loopback up and nothing else; threads that are older stay where they were."""
    if os.geteuid() != 0:
        pytest.skip("A network of the test's own needs root.")
    if shutil.which("ip") is None:
        pytest.skip("ip is not installed: apt-get install iproute2")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(_CLONE_NEWNET):
            pytest.skip(f"There is no network of the test's own here: {os.strerror(ctypes.get_errno())}.")
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            assert libc.setns(before, _CLONE_NEWNET) == 0
    finally:
        os.close(before)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def bridge_or_skip(name: str) -> None:
    """A bridge that is up, and can have taps."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("There is no /dev/net/tun here.")
    made = subprocess.run(["ip", "link", "add", name, "type", "bridge"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"This kernel makes no bridge: {made.stderr.strip()}")
    ip("link", "set", name, "up")


def ports_of(bridge: str) -> list[str]:
    return [line.split()[1].split(":")[0] for line in ip("-o", "link", "show", "master", bridge).splitlines()]


@contextmanager
def listening_on(device: str) -> Generator[socket.socket]:
    """What comes by on a device, frame by frame."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as listener:
        listener.bind((device, 0))
        listener.settimeout(0.2)
        yield listener


def frame_from(listener: socket.socket, mac_address: str, *, seconds: float) -> bytes | None:
    """The first frame that a card has sent; None where none came in time."""
    wanted, deadline = bytes.fromhex(mac_address.replace(":", "")), time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            frame = listener.recv(4096)
        except TimeoutError:
            continue
        if frame[6:12] == wanted:
            return frame
    return None
