"""Proofs by the real programs and a real machine, of a disk whose only program says a line and waits."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.boot_sector import echoing
from tests.support.processes import Program, end_processes_of, environment, processes_of, run_cli
from tests.support.rpc import rpc, rpc_stream

IMAGES = "limiquantix.storage.v1.ImageService"
UP = ("up", "--json", "--listen", "127.0.0.1:0")
NOTHING = "there is no system here"


class Site:
    """A data directory with one image, "odd", and what runs on it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.env = environment(self.data)
        self.disk = folder / "odd.raw"
        self.disk.write_bytes(echoing(f"{NOTHING}\r\n").ljust(1 << 20, b"\0"))

    def up(self) -> Program:
        return Program.start(UP, self.env)

    def cli(self, *words: str, fails: bool = False) -> str:
        done = run_cli([*words], self.env, timeout=100)
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def machines(self) -> list[str]:
        """The command lines of this directory's machines."""
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in processes_of(self.data)]
        return [line.replace("\0", " ") for line in lines if "qemu-system" in line]

    def folders(self) -> list[str]:
        return [path.name for path in (self.data / "vms").iterdir()]

    def begun(self, program: Program) -> str:
        """The id of a proof whose machine has power."""
        job = self.cli("images", "prove", "odd", "--no-wait", "--timeout", "3600").strip()
        watching = rpc_stream(program.url, f"{IMAGES}/WatchImport", {"jobId": job}, token=program.token)
        next(state for state in watching if state.get("bootStages"))
        return job


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    # A UNIX socket's path has 108 bytes.
    with tempfile.TemporaryDirectory(prefix="lq-") as folder:
        made = Site(Path(folder))
        try:
            with made.up():
                made.cli("images", "upload", str(made.disk), "--name", "odd")
            yield made
        finally:
            end_processes_of(made.data)


def shown(program: Program) -> dict[str, Any]:
    return rpc(program.url, f"{IMAGES}/GetImage", {"id": "odd"}, token=program.token)["status"]


def test_a_disk_that_does_not_boot_is_a_failed_proof_and_no_vm_is_left(site: Site) -> None:
    with site.up() as program:
        said = site.cli("images", "prove", "odd", "--timeout", "5", fails=True)
        assert "did not come to the stage 'network' within 5 seconds" in said
        assert NOTHING in said
        proof = shown(program)["bootProof"]
        assert (proof["outcome"], proof["failedStage"]) == ("failed", "network")
        assert (proof["errorCode"], proof["hypervisor"]) == ("image.boot_failed", "qemu")
        assert proof["serialTail"].endswith(NOTHING)
        assert [at["stage"] for at in proof["stages"]] == ["boot"]
        assert not shown(program).get("boots")
        assert site.machines() == []
        assert site.folders() == []
        assert "failed" in site.cli("images", "show", "odd")


def test_its_machine_reaches_nobody_is_on_no_list_and_goes_when_it_is_cancelled(site: Site) -> None:
    with site.up() as program:
        job = site.begun(program)
        [machine] = site.machines()
        assert "restrict=on" in machine
        assert machine.count("hostfwd=") == machine.count("hostfwd=tcp:127.0.0.1:") == 1
        [folder] = (site.data / "vms").iterdir()
        key = folder / "proof-key"
        assert key.stat().st_mode & 0o777 == 0o600
        assert json.loads(site.cli("--json", "vms", "list"))["vms"] == []
        assert "It can be" not in site.cli("jobs", "explain", job)
        site.cli("jobs", "cancel", job)
        assert site.machines() == []
        assert site.folders() == []


def test_a_crash_in_the_middle_leaves_no_vm_and_a_clear_end(site: Site) -> None:
    with site.up() as program:
        job = site.begun(program)
        program.kill9()
    assert len(site.machines()) == 1
    with site.up() as program:
        assert site.machines() == []
        assert site.folders() == []
        states = rpc_stream(program.url, f"{IMAGES}/WatchImport", {"jobId": job}, token=program.token)
        *_, last = states
        assert (last["status"], last["errorCode"]) == ("FAILED", "image.boot_interrupted")
        assert shown(program).get("bootProof", {}).get("jobId") != job
