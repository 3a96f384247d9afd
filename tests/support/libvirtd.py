"""A libvirt daemon of the test's own, where no system runs one: in a private mount namespace, root's.

Nothing of the machine's /etc, /var or /run is written. The network stays the machine's: guests' ports are
forwarded on loopback, and libvirt is given no networks to start.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

START_SECONDS = 60.0
# Where the daemon believes to write, and the folder below ``root`` that it really writes to.
_PLACES = {
    "/etc/libvirt": "etc",
    "/var/lib/libvirt": "lib",
    "/run/libvirt": "run",
    "/var/cache/libvirt": "cache",
    "/var/log/libvirt": "log",
}
_QEMU_CONF = """
user = "root"
group = "root"
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
_DAEMON_CONF = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\nunix_sock_group = "root"\n'


@dataclass(frozen=True, kw_only=True)
class Libvirtd:
    root: Path
    # Of the daemon, in whose namespace its files are where libvirt's programs look for them.
    pid: int

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.root}/run/libvirt-sock"

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command as it is run in that namespace."""
        return ("nsenter", "-m", "-t", str(self.pid), *command)

    def pid_of(self, domain: str) -> int:
        return int((self.root / f"run/qemu/{domain}.pid").read_text())


def libvirtd_or_skip(root: Path) -> Generator[Libvirtd]:
    """One that runs until the generator is closed, or the reason why there is none."""
    if find_spec("libvirt") is None:
        pytest.skip("libvirt's Python binding is not installed: pip install '.[libvirt]'")
    program = shutil.which("libvirtd", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("libvirtd is not installed: apt-get install libvirt-daemon-system")
    if os.geteuid() != 0:
        pytest.skip("A libvirt daemon of the test's own needs root.")
    for name in _PLACES.values():
        (root / name).mkdir(parents=True)
    # Where virt-install puts seeds.
    (root / "lib/boot").mkdir()
    (root / "etc/qemu.conf").write_text(_QEMU_CONF)
    (root / "etc/libvirtd.conf").write_text(_DAEMON_CONF)
    mounts = "\n".join(f'mkdir -p {at} && mount --bind "{root}/{name}" {at}' for at, name in _PLACES.items())
    script = root / "start.sh"
    script.write_text(
        f"set -e\nmount --make-rprivate /\nmount -t tmpfs none /run\n{mounts}\nexec {program} -p /run/d.pid\n"
    )
    with (root / "daemon.log").open("wb") as said:
        daemon = subprocess.Popen(["unshare", "-m", "bash", str(script)], stdout=said, stderr=said)
    try:
        _until(root / "run/libvirt-sock", daemon, root / "daemon.log")
        yield Libvirtd(root=root, pid=daemon.pid)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()


def _until(socket: Path, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"libvirtd does not start here: {log.read_text()[-300:]}")
        time.sleep(0.02)
