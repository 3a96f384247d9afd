"""The product's main job, with nothing replaced: one command, a real guest, a login."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.guest import Guest, KeyPair
from tests.support.mirror import Mirror
from tests.support.processes import Program, environment, kill, processes_of, run_cli
from tests.support.publisher import Publication
from tests.support.rpc import rpc, rpc_stream

pytestmark = pytest.mark.boots

VMS = "limiquantix.compute.v1.VMService"
IMAGES = "limiquantix.storage.v1.ImageService"


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What one ``launch`` on an empty machine left behind, and what it said."""

    env: dict[str, str]
    data_dir: Path
    said: dict[str, Any]
    progress: str
    guest: Guest
    # Of the guest as it came up first.
    identity: list[str]

    @property
    def vm(self) -> dict[str, Any]:
        return self.said["vm"]

    @property
    def url(self) -> str:
        return str(json.loads((self.data_dir / "server.json").read_text())["url"])

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()


@pytest.fixture(scope="module")
def launched(shared_mirror: Mirror, shared_data_dir: Path, ssh_key: KeyPair) -> Launched:
    """Nothing runs and nothing is there; then one command."""
    env = environment(shared_data_dir, mirror=shared_mirror.base_url)
    command = ["--json", "launch", "debian-12", "--name", "web", "--memory", "768M", "--disk", "5G"]
    done = run_cli([*command, "--ssh-key", str(ssh_key.public_file)], env, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    guest = Guest(port=said["vm"]["status"]["sshPort"], key=ssh_key.private)
    return Launched(
        env=env,
        data_dir=shared_data_dir,
        said=said,
        progress=done.stderr,
        guest=guest,
        identity=identity(guest),
    )


def test_the_catalogs_user_logs_in_with_the_key(launched: Launched) -> None:
    assert launched.guest.run("whoami") == "debian"
    assert "debian@127.0.0.1" in launched.said["ssh"]


def test_the_guest_is_what_was_asked_for(launched: Launched, ssh_key: KeyPair) -> None:
    guest = launched.guest
    assert guest.run("hostname") == "web"
    assert guest.run("sudo -n id -u") == "0"
    assert "sudo" in guest.run("id -nG").split()
    assert guest.run("getent passwd debian").endswith(":/bin/bash")
    assert guest.run("cat .ssh/authorized_keys").split()[1] == ssh_key.public.split()[1]
    assert int(guest.run("lsblk -bdno SIZE /dev/vda")) == 5 << 30
    assert guest.run("systemctl is-active qemu-guest-agent") == "active"


def test_cloud_init_is_done_without_errors(launched: Launched) -> None:
    status = json.loads(launched.guest.run("cloud-init status --format json"))
    assert (status["status"], status["errors"]) == ("done", [])
    assert "Valid" in launched.guest.run("sudo cloud-init schema --system")
    assert launched.vm["status"]["cloudInitStatus"] == "done"
    assert not launched.vm["status"].get("cloudInitErrors")


def test_the_boot_was_told_as_it_went(launched: Launched) -> None:
    for word in ("100 %", "disk", "network", "cloud-init", "SSH"):
        assert word in launched.progress


def test_the_image_is_trusted_for_a_stored_reason(launched: Launched, debian: Publication) -> None:
    (image,) = rpc(launched.url, f"{IMAGES}/ListImages", token=launched.token)["images"]
    evidence = image["status"]["evidence"]
    assert image["status"]["trust"] == "TRUST_LEVEL_CHECKSUM"
    assert (evidence["algorithm"], evidence["expected"], evidence["actual"]) == (
        "sha512",
        *[debian.sha512] * 2,
    )
    assert (launched.data_dir / "cloud-images" / "debian-12.qcow2").samefile(image["status"]["path"])


def test_a_seed_is_for_the_guest_alone(launched: Launched) -> None:
    folder = launched.data_dir / "vms" / launched.vm["id"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "seed.iso").stat().st_mode & 0o777 == 0o600


def test_an_image_in_use_cannot_be_deleted(launched: Launched) -> None:
    refused = run_cli(["images", "delete", "debian-12", "--yes"], launched.env)
    assert refused.returncode == 5
    assert "web" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_name_that_is_taken_is_refused(launched: Launched) -> None:
    refused = run_cli(["launch", "debian-12", "--name", "web"], launched.env)
    assert refused.returncode == 4
    assert "'web'" in refused.stderr


def test_a_disk_below_the_image_is_refused(launched: Launched) -> None:
    refused = run_cli(["launch", "debian-12", "--name", "small", "--disk", "512M"], launched.env)
    assert refused.returncode == 2
    assert "smaller" in refused.stderr


# The tests below change the VM; they run in this order.


def test_the_guest_outlives_the_server(launched: Launched) -> None:
    server = int(json.loads((launched.data_dir / "server.json").read_text())["pid"])
    booted = launched.guest.run("cat /proc/sys/kernel/random/boot_id")
    kill(server)
    assert launched.guest.run("cat /proc/sys/kernel/random/boot_id") == booted
    with Program.start(["up", "--json", "--listen", "127.0.0.1:0"], launched.env) as program:
        (vm,) = rpc(program.url, f"{VMS}/ListVMs", token=program.token)["vms"]
        assert vm["status"]["state"] == "RUNNING"
        assert vm["status"]["sshPort"] == launched.guest.port
    assert launched.guest.run("cat /proc/sys/kernel/random/boot_id") == booted


def test_vms_of_a_template_have_identities_of_their_own(launched: Launched, ssh_key: KeyPair) -> None:
    origin, guest = launched.identity, launched.guest
    booted = guest.run("cat /proc/sys/kernel/random/boot_id")
    guest.run("sudo mkdir /srv/site && echo kept | sudo tee /srv/site/index")
    with Program.start(["up", "--json", "--listen", "127.0.0.1:0"], launched.env) as program:
        capture = ["templates", "capture", "web"]
        _well([*capture, "--frozen", "--name", "golden"], launched)
        # It stood still, and goes on as if nothing had been; what it wrote last is in the template.
        assert _state(program, launched) == "RUNNING"
        assert guest.run("cat /proc/sys/kernel/random/boot_id; sudo touch /srv/site/later; sync") == booted
        _well([*capture, "--clean-in-guest", "--yes", "--name", "cleaned"], launched)
        _well(["vms", "stop", "web"], launched)
        _well(["images", "delete", "cleaned", "--yes"], launched)
        wish = ["--json", "launch", "golden", "--memory", "512M", "--ssh-key", str(ssh_key.public_file)]
        with ThreadPoolExecutor() as both:
            names = ("one", "two")
            asked = [both.submit(run_cli, [*wish, "--name", n], launched.env, timeout=400) for n in names]
            made = [one.result() for one in asked]
        found: list[list[str]] = []
        for name, done in zip(names, made, strict=True):
            assert done.returncode == 0, done.stdout + done.stderr
            guest = Guest(port=json.loads(done.stdout)["vm"]["status"]["sshPort"], key=ssh_key.private)
            assert guest.run("hostname") == name
            assert guest.run("cd /srv/site; cat *; ls") == "kept\nindex"
            found.append(identity(guest))
        for kinds in zip(origin, *found, strict=True):
            assert len(set(kinds)) == 3, kinds
        for name in names:
            gone = run_cli(["vms", "delete", name, "--force", "--yes"], launched.env, timeout=120)
            assert gone.returncode == 0, gone.stderr
        assert run_cli(["images", "delete", "golden", "--yes"], launched.env).returncode == 0


def _well(command: list[str], launched: Launched) -> None:
    done = run_cli(command, launched.env, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def identity(guest: Guest) -> list[str]:
    """What no two machines share: the machine id, and the SSH host keys."""
    keys = guest.run("cat /etc/ssh/ssh_host_*_key.pub | cut -d' ' -f1,2").splitlines()
    machine = guest.run("cat /etc/machine-id")
    assert len(machine) == 32
    assert keys
    return [machine, *keys]


def test_it_stops_starts_and_goes_away(launched: Launched) -> None:
    with Program.start(["up", "--json", "--listen", "127.0.0.1:0"], launched.env) as program:
        stopped = run_cli(["vms", "stop", "web"], launched.env, timeout=120)
        assert stopped.returncode == 0, stopped.stderr
        assert "reboot: Power down" in (_folder(launched) / "serial.log").read_text(errors="replace")
        assert _state(program, launched) == "STOPPED"

        started = run_cli(["vms", "start", "web"], launched.env, timeout=60)
        assert started.returncode == 0, started.stderr
        assert "done" in boot_stages(program, launched)
        assert launched.guest.run("hostname") == "web"
        # It was cleaned itself: its keys are new ones, and reported. Its machine id is made of its UUID.
        (_, *before), (_, *now) = launched.identity, identity(launched.guest)
        assert not set(before) & set(now)
        assert set(now) <= set(reported_keys(program, launched))

        before = _files_beside(launched)
        deleted = run_cli(["vms", "delete", "web", "--force", "--yes"], launched.env, timeout=120)
        assert deleted.returncode == 0, deleted.stderr
        assert not _folder(launched).exists()
        assert _files_beside(launched) == before
        assert rpc(program.url, f"{VMS}/ListVMs", token=program.token).get("vms", []) == []
    assert list(processes_of(launched.data_dir)) == []


def reported_keys(program: Program, launched: Launched) -> list[str]:
    found = rpc(program.url, f"{VMS}/GetVM", {"id": launched.vm["id"]}, token=program.token)
    return [key["line"] for key in found["status"]["guest"]["hostKeys"]]


def boot_stages(program: Program, launched: Launched) -> list[str]:
    """The stages that WatchVM tells until the boot is done."""
    request, seen = {"vmId": launched.vm["id"]}, list[str]()
    for told in rpc_stream(program.url, f"{VMS}/WatchVM", request, token=program.token, timeout=200):
        seen.append(told["status"].get("stage", ""))
        if seen[-1] == "done":
            break
    return seen


def _folder(launched: Launched) -> Path:
    return launched.data_dir / "vms" / launched.vm["id"]


def _state(program: Program, launched: Launched) -> str:
    return rpc(program.url, f"{VMS}/GetVM", {"id": launched.vm["id"]}, token=program.token)["status"]["state"]


def _files_beside(launched: Launched) -> set[str]:
    rooms = ("cloud-images", "blobs")
    return {str(path) for room in rooms for path in (launched.data_dir / room).rglob("*")}
