"""A genuine image is proved to boot: one command, a throw-away guest without a way out, a login."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.libvirtd import Libvirtd
from tests.support.mirror import Mirror
from tests.support.processes import Program, environment, processes_of, run_cli

pytestmark = pytest.mark.boots


@pytest.mark.parametrize("driver", ["qemu", "libvirt"])
def test_a_genuine_image_boots_and_lets_its_user_in(
    mirror: Mirror, data_dir: Path, driver: str, request: pytest.FixtureRequest
) -> None:
    env = environment(data_dir, mirror=mirror.base_url, LIMIQUANTIX_HYPERVISOR=driver)
    if driver == "libvirt":
        libvirtd: Libvirtd = request.getfixturevalue("libvirtd")
        env["LIMIQUANTIX_LIBVIRT_URI"] = libvirtd.uri
    with Program.start(["up", "--json", "--listen", "127.0.0.1:0"], env):
        fetched = run_cli(["images", "download", "debian-12"], env, timeout=200)
        assert fetched.returncode == 0, fetched.stderr
        proved = run_cli(["images", "prove", "debian-12", "--timeout", "540"], env, timeout=560)
        assert proved.returncode == 0, proved.stdout + proved.stderr
        assert "debian by ssh key" in proved.stdout
        shown = run_cli(["--json", "images", "show", "debian-12"], env)
        status = json.loads(shown.stdout)["image"]["status"]
        proof = status["bootProof"]
        assert status["boots"] is True
        assert (proof["digest"], proof["hypervisor"]) == (status["digest"], driver)
        facts = proof["facts"]
        assert facts["osRelease"].startswith("Debian GNU/Linux 12")
        assert facts["kernel"].startswith("Linux 6.1")
        assert facts["datasource"].startswith("DataSourceNoCloud")
        assert facts["cloudInit"]
        assert "ssh-ed25519" in facts["hostKeyTypes"]
        assert facts["agent"] is True
        stages = [at["stage"] for at in proof["stages"]]
        assert stages[0] == "boot"
        assert stages[-2:] == ["login", "done"]
        assert "Datasource DataSourceNoCloud" in proof["serialTail"]
        # Nobody had asked the guest for more than it has.
        assert "package" not in proof["serialTail"].lower()
        assert list((data_dir / "vms").iterdir()) == []
        machines = [pid for pid in processes_of(data_dir) if b"qemu-system" in _command_of(pid)]
        assert machines == []


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
