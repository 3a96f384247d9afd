"""The ssh command for a VM, and what the command line remembers for it.

Each VM has its own folder <data-dir>/ssh/vms/<id>/: known_hosts, so that a forwarded port that is used again
by another VM is never taken for an attack while a changed key of the same VM still is, in its place host_keys
once the guest has reported its own, and the path of the private key it was launched with.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from image_library.cli.places import DataDir
from image_library.domain.errors import Internal, InvalidSshKey, VmNotRunning, printable
from image_library.domain.ssh_key import parse_public_key
from limiquantix.compute.v1.vm_pb import VirtualMachine

# What may stand in an ssh command line that people paste: nothing that is an option or shell syntax.
_SAFE_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_SAFE_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,253}")
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
HOST_KEYS = "host_keys"


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where and as whom to log in to a VM."""

    vm_id: str
    user: str
    host: str
    port: int


def login(vm: VirtualMachine) -> Login:
    """Raises VmNotRunning while the VM has no SSH address, Internal when the server's answer is unsafe."""
    status = vm.status
    if status is None or not status.ssh_port or not status.ssh_host:
        raise VmNotRunning(f"The VM '{printable(vm.name)}' has no address to log in to.")
    checks = ((_SAFE_USER, status.ssh_user), (_SAFE_HOST, status.ssh_host), (_SAFE_ID, vm.id))
    for form, text in checks:
        if not form.fullmatch(text):
            raise Internal(f"The server names '{printable(text, 60)}' to log in with, which is not usable.")
    return Login(vm_id=vm.id, user=status.ssh_user, host=status.ssh_host, port=status.ssh_port)


def folder(data_dir: DataDir, vm_id: str) -> Path:
    return data_dir.ssh / "vms" / vm_id


def remember(data_dir: DataDir, vm_id: str, identity: Path | None) -> None:
    """Makes the VM's folder. A data directory that is not ours to write to is no reason to fail."""
    place = folder(data_dir, vm_id)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if identity is not None:
            (place / "identity").write_text(f"{identity}\n", encoding="utf-8")
    except OSError:
        return


def pin(data_dir: DataDir, vm: VirtualMachine) -> None:
    """Keeps the host keys that the guest reported: then not even the first login has to believe anybody."""
    lines = [key.line for key in vm.status.guest.host_keys] if vm.status and vm.status.guest else []
    place = folder(data_dir, vm.id)
    if not lines or not _SAFE_ID.fullmatch(vm.id) or not place.is_dir():
        return
    with suppress(OSError, InvalidSshKey):
        text = "".join(f"{vm.id} {parse_public_key(line).line}\n" for line in lines)
        beside = place / f".{HOST_KEYS}.{os.getpid()}"
        beside.write_text(text, encoding="ascii")
        beside.rename(place / HOST_KEYS)


def known_hosts(vm: VirtualMachine) -> list[str]:
    """The lines that make any OpenSSH know the guest by the keys that it reported."""
    status = vm.status
    if status is None or status.guest is None or not status.ssh_port:
        return []
    return [f"[{status.ssh_host}]:{status.ssh_port} {key.line}" for key in status.guest.host_keys]


def forget(data_dir: DataDir, vm_id: str) -> None:
    if _SAFE_ID.fullmatch(vm_id):
        shutil.rmtree(folder(data_dir, vm_id), ignore_errors=True)


def remembered_identity(data_dir: DataDir, vm_id: str) -> Path | None:
    try:
        written = (folder(data_dir, vm_id) / "identity").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return Path(written) if written and Path(written).is_file() else None


def arguments(
    to: Login, data_dir: DataDir, identities: Iterable[Path] = (), command: Sequence[str] = ()
) -> list[str]:
    """The argument list of ssh.

    The VM's host key has to be one that the guest reported; where it reported none, the first login takes
    it, and it is checked from then on.
    """
    place = folder(data_dir, to.vm_id)
    words = ["ssh", "-p", str(to.port)]
    for identity in identities:
        words += ["-i", str(identity)]
    if (place / HOST_KEYS).is_file():
        words += ["-o", "StrictHostKeyChecking=yes", "-o", f"HostKeyAlias={to.vm_id}"]
        words += ["-o", f"UserKnownHostsFile={_option_value(place / HOST_KEYS)}"]
    elif place.is_dir():
        words += ["-o", "StrictHostKeyChecking=accept-new", "-o", f"HostKeyAlias={to.vm_id}"]
        words += ["-o", f"UserKnownHostsFile={_option_value(place / 'known_hosts')}"]
    else:
        words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    return [*words, f"{to.user}@{to.host}", *command]


def command_line(words: Sequence[str]) -> str:
    """For pasting into a shell."""
    return shlex.join(words)


def _option_value(path: Path) -> str:
    # ssh expands % in the value, and splits it at spaces unless it is quoted.
    text = str(path).replace("%", "%%")
    if not set(text) & set(" \t\"'\\"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
