"""What a user adds of their own reaches the guest, and what goes wrong in it is told by name."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.guest import Guest, KeyPair
from tests.support.mirror import Mirror
from tests.support.processes import environment, processes_of, run_cli

USER_DATA = """#cloud-config
write_files:
  - path: /etc/from-the-user
    content: "no: 1e3 # kept\\n"
timezone: Europe/Berlin
"""


@pytest.mark.boots
def test_own_user_data_is_merged_and_a_failing_command_is_named(
    mirror: Mirror, data_dir: Path, ssh_key: KeyPair, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(USER_DATA)
    options = ["--name", "merged.example.org", "--user", "ada", "--ssh-key", str(ssh_key.public_file)]
    extra = [
        "--user-data",
        str(own),
        "--run",
        "echo 'it: ran' > /etc/it-ran",
        "--run",
        "echo the shop is full; exit 3",
    ]
    env = environment(data_dir, mirror=mirror.base_url)
    done = run_cli(["--json", "launch", "debian-12", *options, *extra], env, timeout=400)
    said = json.loads(done.stdout)

    assert done.returncode == 10
    assert said["error"]["code"] == "vm.cloud_init_failed"
    assert "scripts-user" in said["error"]["message"]
    guest = Guest(port=said["vm"]["status"]["sshPort"], key=ssh_key.private, user="ada")
    assert guest.run("cat /etc/from-the-user") == "no: 1e3 # kept"
    assert guest.run("cat /etc/it-ran") == "it: ran"
    assert guest.run("hostname --fqdn") == "merged.example.org"
    assert guest.run("readlink /etc/localtime").endswith("Europe/Berlin")
    assert guest.run("sudo -n id -u") == "0"
    told = {failure["module"]: failure["lines"] for failure in said["vm"]["status"]["cloudInitFailures"]}
    assert "the shop is full" in told["scripts-user"]
    assert "    the shop is full" in done.stderr.splitlines()
    assert "    the shop is full" in _words_of(run_cli(["vms", "show", "merged.example.org"], env).stdout)
    _knows_the_host_by_its_report(said, ssh_key)
    _keeps_the_token_to_itself(guest, data_dir)


def _words_of(shown: str) -> list[str]:
    return ["    " + line.strip() for line in shown.splitlines()]


def _knows_the_host_by_its_report(said: dict[str, Any], ssh_key: KeyPair) -> None:
    """The command that was printed logs in although no host key was ever accepted."""
    ssh, *words = said["sshCommand"]
    assert "StrictHostKeyChecking=yes" in words
    command = [ssh, "-i", str(ssh_key.private), "-o", "BatchMode=yes", *words, "true"]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)


def _keeps_the_token_to_itself(guest: Guest, data_dir: Path) -> None:
    """It is on the guest's own disk of documents, and nowhere else on the node."""
    found = guest.run("sudo grep -oE '10.0.2.100/[A-Za-z0-9_-]+' /var/lib/cloud/instance/vendor-data.txt")
    token = found.strip().rpartition("/")[2].encode()
    assert len(token) >= 43
    for name in ("*.db*", "*.log", "*.json", "vms/*/*.log", "ssh/**/*"):
        for file in data_dir.glob(name):
            assert not file.is_file() or token not in file.read_bytes(), file
    for process in processes_of(data_dir):
        assert token not in Path(f"/proc/{process}/cmdline").read_bytes()
