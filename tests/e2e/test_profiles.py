"""A profile with a secret, a config drive and an address on a bridge, in one boot of a genuine guest."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guest import Guest, KeyPair
from tests.support.mirror import Mirror
from tests.support.network_space import bridge_or_skip, ip, own_network_or_skip, ports_of
from tests.support.processes import Program, environment, processes_of, run_cli
from tests.support.publisher import Publication

# For documentation (RFC 5737): nobody else's, wherever this runs.
BRIDGE, HOST, ADDRESS = "br-guests", "192.0.2.1", "192.0.2.15"
PROFILE = """
name = "appliance"
user_data_rule = "append"

[provisioning]
hostname = "${param.host}.example.org"
datasource = "DATASOURCE_CONFIG_DRIVE"
ssh_password_login = true
user_data = '''
#cloud-config
write_files:
  - path: /etc/from-the-profile
    content: "${param.motto}"
'''

[[provisioning.users]]
password = "${param.password}"

[[provisioning.nics]]
network_id = "bridge:br-guests"
mac_address = "52:54:00:00:00:77"
addressing = { ip_configs = [{ address = "${param.address}", gateway = "192.0.2.1" }] }

[[parameters]]
name = "host"
required = true
pattern = "[a-z]{1,16}"

[[parameters]]
name = "address"
required = true

[[parameters]]
name = "motto"
default = "none"

[[parameters]]
name = "password"
type = "secret"
required = true
"""
MOTTO = 'yes: "no" # {{ not }} $(a) template'
CANARY = "canary-Kq7 pass"


@pytest.fixture
def mirror(tmp_path: Path, debian: Publication) -> Iterator[Mirror]:
    """In a network of the test's own, with a bridge; all that the test starts from here is in it too."""
    with own_network_or_skip():
        bridge_or_skip(BRIDGE)
        ip("address", "add", f"{HOST}/24", "dev", BRIDGE)
        with Mirror(tmp_path / "mirror") as mirror:
            debian.put_on(mirror)
            yield mirror


def log_in_by_password(command: str, folder: Path) -> str:
    """OpenSSH's own client, with a program that types the password."""
    askpass = folder / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{CANARY}'\n")
    askpass.chmod(0o700)
    options = [
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-F", "/dev/null"),
        *("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR"),
    ]
    done = subprocess.run(
        ["ssh", *options, f"debian@{ADDRESS}", command],
        env=os.environ | {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def showing(data_dir: Path, secret: bytes) -> list[int]:
    """Our processes in whose arguments or environment the secret stands, for all on the machine to read."""
    shown: list[int] = []
    for process in processes_of(data_dir):
        for name in ("cmdline", "environ"):
            try:
                if secret in Path(f"/proc/{process}/{name}").read_bytes():
                    shown.append(process)
            except OSError:
                continue
    return shown


@pytest.mark.boots
@pytest.mark.timeout(1000)
def test_a_profile_makes_a_guest_with_a_password_a_config_drive_and_an_address_on_a_bridge(
    mirror: Mirror, data_dir: Path, ssh_key: KeyPair, tmp_path: Path
) -> None:
    file, secret = tmp_path / "appliance.toml", tmp_path / "secret"
    file.write_text(PROFILE)
    secret.write_text(f"{CANARY}\n")
    env = environment(data_dir, mirror=mirror.base_url, LIMIQUANTIX_BRIDGES=BRIDGE)
    values = ["--param", "host=box", "--param", f"address={ADDRESS}/24", "--param", f"motto={MOTTO}"]
    options = ["--profile", "appliance", *values, "--secret-param", f"password={secret}"]
    key = ["--ssh-key", str(ssh_key.public_file)]
    with Program.start(["up", "--json", "--listen", "127.0.0.1:0"], env):
        made = run_cli(["profiles", "create", str(file)], env)
        assert made.returncode == 0, made.stderr
        done = run_cli(["--json", "launch", "debian-12", "--name", "web", *options, *key], env, timeout=850)
        assert showing(data_dir, CANARY.encode()) == []
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    status = said["vm"]["status"]

    assert status["profile"] == "appliance@1"
    # No port is forwarded: it is a machine of that network, as the guest itself has told.
    assert (status["sshHost"], status["sshPort"]) == (ADDRESS, 22)
    assert f"debian@{ADDRESS}" in said["ssh"]
    for stage in ("disk", "boot", "network", "cloud-init", "SSH", "done"):
        assert f"\n  {stage} " in done.stderr, done.stderr
    assert len(ports_of(BRIDGE)) == 1
    assert log_in_by_password("whoami", tmp_path) == "debian"
    guest = Guest(host=ADDRESS, port=22, key=ssh_key.private)
    assert "ConfigDrive" in guest.run("sudo cat /run/cloud-init/result.json")
    assert guest.run("hostname --fqdn") == "box.example.org"
    assert guest.run("cat /etc/from-the-profile") == MOTTO
    (card,) = json.loads(guest.run("ip -j -4 addr show to 192.0.2.0/24"))
    assert guest.run(f"cat /sys/class/net/{card['ifname']}/address") == "52:54:00:00:00:77"
    (address,) = card["addr_info"]
    assert (address["local"], address["prefixlen"], address.get("dynamic", False)) == (ADDRESS, 24, False)
    assert f"via {HOST}" in guest.run("ip route show default")
    assert showing(data_dir, CANARY.encode()) == []
    assert CANARY not in done.stdout + done.stderr + guest.run("sudo cat /var/log/cloud-init*.log")
