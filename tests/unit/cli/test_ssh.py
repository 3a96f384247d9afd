from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from image_library.cli import ssh
from image_library.cli.places import DataDir
from image_library.domain.errors import Internal, VmNotRunning
from limiquantix.compute.v1.guest_pb import GuestReport, SshHostKey
from limiquantix.compute.v1.vm_pb import VirtualMachine, VmStatus


def a_vm(vm_id: str = "vm-1", **changes: Any) -> VirtualMachine:
    facts: dict[str, Any] = {"ssh_host": "127.0.0.1", "ssh_port": 40022, "ssh_user": "debian"}
    return VirtualMachine(id=vm_id, name="web", status=VmStatus(**{**facts, **changes}))


def test_the_host_key_of_a_vm_is_kept_for_that_vm_alone(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    ssh.remember(data_dir, "vm-1", None)
    words = ssh.arguments(ssh.login(a_vm()), data_dir)
    assert "StrictHostKeyChecking=accept-new" in words
    assert "HostKeyAlias=vm-1" in words
    assert f"UserKnownHostsFile={tmp_path}/ssh/vms/vm-1/known_hosts" in words
    assert words[-1] == "debian@127.0.0.1"


def test_where_nothing_can_be_kept_no_key_is_checked(tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text("in the way")
    data_dir = DataDir(tmp_path)
    ssh.remember(data_dir, "vm-1", None)
    assert "UserKnownHostsFile=/dev/null" in ssh.arguments(ssh.login(a_vm()), data_dir)


@pytest.mark.parametrize("folder", ["plain", "with space", "per%cent", "quote'd"])
def test_openssh_reads_the_command_as_it_is_meant(tmp_path: Path, folder: str) -> None:
    data_dir = DataDir(tmp_path / folder)
    ssh.remember(data_dir, "vm-1", None)
    words = shlex.split(ssh.command_line(ssh.arguments(ssh.login(a_vm()), data_dir)))
    told = subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True).stdout
    settings = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    place = str(data_dir.root / "ssh/vms/vm-1/known_hosts")
    assert settings["port"] == "40022"
    assert settings["user"] == "debian"
    assert settings["userknownhostsfile"].replace("%%", "%") == place


@pytest.mark.parametrize(
    "vm",
    [
        a_vm(ssh_user="-oProxyCommand=x"),
        a_vm(ssh_user="a b"),
        a_vm(ssh_host="-x"),
        a_vm(ssh_host="h;reboot"),
        a_vm("../../x"),
    ],
)
def test_an_answer_that_could_be_an_option_or_a_path_is_refused(vm: VirtualMachine) -> None:
    with pytest.raises(Internal):
        ssh.login(vm)


def test_a_vm_without_an_address_is_not_running() -> None:
    with pytest.raises(VmNotRunning):
        ssh.login(VirtualMachine(id="vm-1", name="web"))


def test_the_key_of_the_launch_is_remembered_and_forgotten(tmp_path: Path) -> None:
    data_dir, key = DataDir(tmp_path), tmp_path / "key"
    key.write_text("x")
    ssh.remember(data_dir, "vm-1", key)
    assert ssh.remembered_identity(data_dir, "vm-1") == key
    ssh.forget(data_dir, "vm-1")
    assert ssh.remembered_identity(data_dir, "vm-1") is None


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


def reporting(*lines: str, vm_id: str = "vm-1") -> VirtualMachine:
    keys = [SshHostKey(algorithm="ssh-ed25519", fingerprint="SHA256:x", line=line) for line in lines]
    return a_vm(vm_id, guest=GuestReport(host_keys=keys))


def test_a_guest_that_reported_its_keys_is_known_by_them_from_the_first_login_on(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    ssh.remember(data_dir, "vm-1", None)
    ssh.pin(data_dir, reporting(KEY))
    words = ssh.arguments(ssh.login(a_vm()), data_dir)
    place = tmp_path / "ssh/vms/vm-1/host_keys"
    assert "StrictHostKeyChecking=yes" in words
    assert f"UserKnownHostsFile={place}" in words
    found = subprocess.run(
        ["ssh-keygen", "-F", "vm-1", "-f", place], capture_output=True, text=True, check=True
    ).stdout
    assert KEY in found


@pytest.mark.parametrize("lines", [(), ("ssh-ed25519 nonsense",), (f"{KEY}\n* {KEY}",)])
def test_what_is_no_key_is_not_pinned(tmp_path: Path, lines: tuple[str, ...]) -> None:
    data_dir = DataDir(tmp_path)
    ssh.remember(data_dir, "vm-1", None)
    ssh.pin(data_dir, reporting(*lines))
    assert "StrictHostKeyChecking=accept-new" in ssh.arguments(ssh.login(a_vm()), data_dir)


def test_no_key_is_pinned_outside_the_vms_own_folder(tmp_path: Path) -> None:
    ssh.pin(DataDir(tmp_path), reporting(KEY, vm_id="../.."))
    assert list(tmp_path.iterdir()) == []


def test_a_line_for_any_known_hosts_names_address_and_port() -> None:
    assert ssh.known_hosts(reporting(KEY)) == [f"[127.0.0.1]:40022 {KEY}"]
    assert ssh.known_hosts(a_vm()) == []


def test_forgetting_never_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "ssh" / "vms").mkdir(parents=True)
    ssh.forget(DataDir(tmp_path), "..")
    ssh.forget(DataDir(tmp_path), "")
    assert (tmp_path / "ssh" / "vms").is_dir()
