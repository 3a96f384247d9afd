"""What a user adds of their own reaches the guest, and what goes wrong in it is told by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.guest import Guest, KeyPair
from tests.support.mirror import Mirror
from tests.support.processes import environment, run_cli

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
    extra = ["--user-data", str(own), "--run", "echo 'it: ran' > /etc/it-ran", "--run", "exit 3"]
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
