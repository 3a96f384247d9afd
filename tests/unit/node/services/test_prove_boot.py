"""A throw-away VM is booted, logged in to and removed, and what came of it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from image_library.domain.boot_progress import AgentFacts
from image_library.domain.boot_proof import BootProof, ProofOutcome
from image_library.domain.errors import (
    BootProofInterrupted,
    HypervisorFailed,
    LoginMissing,
    StoreDegraded,
    UnknownJob,
)
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.machine import Condition
from image_library.domain.proof_order import KEY_LINE, ProofOrder
from image_library.domain.store import Download, DownloadOrder
from image_library.domain.vm import SeedDocuments
from image_library.node.services.proof_attempt import ProofAttempts
from image_library.node.services.prove_boot import BootProofs
from tests.fakes.guest_login import FakeLogin
from tests.unit.node.services.test_vms import DIGEST, ORDER, Disk

ON_CONSOLE = b"""Cloud-init v. 22.4.2 running 'init' at Thu.
Cloud-init v. 22.4.2 running 'modules:final' at Thu.
"""
SEED = SeedDocuments(user_data=f"#cloud-config\nssh_authorized_keys: ['{KEY_LINE}']\n", meta_data="")
TRIED = ProofOrder(
    machine=replace(ORDER, throw_away=True, seed=SEED), login_user="debian", timeout_seconds=60
)


class Gate:
    degraded = False

    def check(self) -> None:
        if self.degraded:
            raise StoreDegraded("Its disk is ill.")

    async def open(self, waiting: object) -> None:
        self.check()


class Bench:
    """A node with a guest that comes up well unless a test has it otherwise."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.login = FakeLogin()
        self.gate = Gate()
        self.disk.window.text["vm-1"] = ON_CONSOLE
        self.disk.window.ssh = True
        self.disk.window.facts = AgentFacts()

    async def start(self) -> None:
        self.daemon = daemon = await self.disk.daemon()
        attempts = ProofAttempts(
            vms=daemon.vms,
            records=daemon.records,
            folders=self.disk.folders,
            hypervisor=self.disk.hypervisor,
            window=self.disk.window,
            login=self.login,
            clock=daemon.clock,
            node_id="node-1",
            hypervisor_name="qemu",
        )
        self.proofs = BootProofs(attempts=attempts, gate=self.gate, changes=daemon.changes)

    async def ended(self, prove: ProofOrder = TRIED) -> Download:
        self.proofs.start(order(prove))
        return await self.end_of("job-1")

    async def end_of(self, job_id: str) -> Download:
        async with asyncio.timeout(20), aclosing(self.proofs.follow(job_id)) as followed:
            return [download async for download in followed if download.state.ended][-1]

    def nothing_is_left(self) -> bool:
        return not (self.disk.journal.records or self.disk.folders.names or self.daemon.records.all())


def order(prove: ProofOrder = TRIED, job_id: str = "job-1") -> DownloadOrder:
    return DownloadOrder(
        job_id=job_id,
        image_id="image-1",
        url="",
        filename="",
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        prove=prove,
    )


def proof_of(download: Download) -> BootProof:
    assert download.proof is not None
    return download.proof


@pytest.fixture
async def bench() -> AsyncGenerator[Bench]:
    made = Bench()
    await made.start()
    yield made
    await made.proofs.close()
    await made.daemon.vms.close()


async def test_a_guest_that_lets_somebody_in_is_proved(bench: Bench) -> None:
    done = await bench.ended()
    proof = proof_of(done)
    assert (done.state, proof.outcome, proof.digest) == (JobState.READY, ProofOutcome.PASSED, DIGEST)
    assert (proof.login_user, proof.login_method) == ("debian", "ssh key")
    assert (proof.hypervisor, proof.accelerator, proof.firmware) == ("qemu", "tcg", "bios")
    stages = [at.stage for at in proof.stages]
    assert stages[0] == "boot"
    assert stages[-3:] == ["ssh", "login", "done"]
    assert [at.seconds for at in proof.stages] == sorted(at.seconds for at in proof.stages)
    assert proof.facts.os_release == "Debian GNU/Linux 12 (bookworm)"
    assert proof.facts.datasource.startswith("DataSourceNoCloud")
    assert (proof.facts.host_key_types, proof.facts.agent) == (("ssh-ed25519", "ssh-rsa"), True)
    assert "modules:final" in proof.serial_tail


async def test_its_vm_is_without_a_way_out_told_to_nobody_and_gone_afterwards(bench: Bench) -> None:
    seen: list[object] = []

    async def look() -> None:
        seen.extend((bench.daemon.vms.reports(), await bench.daemon.vms.users_of(DIGEST)))

    bench.login.meanwhile = look
    await bench.ended()
    [(machine, _)] = bench.disk.hypervisor.started
    assert machine.throw_away
    assert seen == [(), ("web",)]
    assert bench.nothing_is_left()
    assert await bench.daemon.vms.users_of(DIGEST) == ()


async def test_the_guest_is_told_the_nodes_own_key(bench: Bench) -> None:
    await bench.ended()
    [(_, documents)] = bench.daemon.seeds.written
    assert "ssh-ed25519 AAAAmadeHere" in documents.user_data
    assert KEY_LINE not in documents.user_data


async def test_a_guest_that_never_comes_is_a_failed_proof_that_names_the_stage(bench: Bench) -> None:
    bench.disk.window.text.clear()
    bench.disk.window.ssh = False
    bench.disk.window.facts = None
    done = await bench.ended()
    proof = proof_of(done)
    assert (done.state, proof.outcome, proof.failed_stage) == (
        JobState.FAILED,
        ProofOutcome.FAILED,
        "network",
    )
    assert done.failure is not None
    assert (done.failure.code, proof.error_code) == ("image.boot_failed", "image.boot_failed")
    assert "60 seconds" in proof.error_message
    assert proof.error_remedy
    assert proof.login_user == ""
    assert bench.nothing_is_left()


async def test_a_key_that_is_refused_fails_at_the_login(bench: Bench) -> None:
    bench.login.says = None
    proof = proof_of(await bench.ended())
    assert proof.failed_stage == "login"
    assert "Permission denied" in proof.error_message
    assert bench.login.tries > 1


async def test_a_module_that_failed_is_named(bench: Bench) -> None:
    failed = '{"v1": {"datasource": "x", "errors": ["(\'scripts-user\', RuntimeError(\'1 of 1\'))"]}}'
    bench.login.says = f"result {failed}\nanswered\n"
    proof = proof_of(await bench.ended())
    assert (proof.outcome, proof.failed_stage, proof.failed_module) == (
        ProofOutcome.FAILED,
        "cloud_init",
        "scripts-user",
    )
    # Somebody was in all the same.
    assert proof.login_user == "debian"


async def test_a_login_before_cloud_init_has_ended_is_not_the_end(bench: Bench) -> None:
    bench.login.says = "kernel Linux\ncloud-init 22.4\nanswered\n"
    proof = proof_of(await bench.ended())
    assert (proof.failed_stage, proof.outcome) == ("cloud_init", ProofOutcome.FAILED)
    assert "cloud-init did not end" in proof.error_message


async def test_a_machine_that_ends_by_itself_is_not_waited_for(bench: Bench) -> None:
    bench.login.says = None
    bench.proofs.start(order())
    async with aclosing(bench.proofs.follow("job-1")) as followed:
        async for download in followed:
            if download.stages:
                break
    bench.disk.hypervisor.becomes("vm-1", Condition.SHUT_DOWN)
    proof = proof_of(await bench.end_of("job-1"))
    assert "switched itself off" in proof.error_message
    assert proof.stages[-1].seconds < 60


async def test_where_nobody_can_log_in_only_the_start_is_proved(bench: Bench) -> None:
    bench.disk.window.facts = None
    done = await bench.ended(replace(TRIED, login_user=""))
    proof = proof_of(done)
    assert (done.state, proof.outcome) == (JobState.READY, ProofOutcome.PARTIAL)
    assert not proof.passed
    assert "Nobody can log in" in proof.unproved
    assert (proof.login_user, bench.login.tries) == ("", 0)


async def test_what_is_not_the_images_fault_leaves_no_proof(bench: Bench) -> None:
    bench.disk.hypervisor.refusal = HypervisorFailed("There is no memory.")
    done = await bench.ended()
    assert (done.state, done.proof) == (JobState.FAILED, None)
    assert done.failure is not None
    assert done.failure.code == HypervisorFailed.code
    assert bench.nothing_is_left()


async def test_without_a_program_to_log_in_with_nothing_is_made(bench: Bench) -> None:
    bench.login.refusal = LoginMissing("The program 'ssh' is not installed.")
    done = await bench.ended()
    assert done.failure is not None
    assert done.failure.code == "node.ssh_missing"
    assert bench.disk.hypervisor.started == []


async def test_a_cancelled_one_leaves_no_vm(bench: Bench) -> None:
    bench.login.says = None
    bench.proofs.start(order())
    async with aclosing(bench.proofs.follow("job-1")) as followed:
        async for download in followed:
            if download.stages:
                break
    ended = await bench.proofs.cancel("job-1")
    assert ended.state is JobState.CANCELLED
    assert bench.nothing_is_left()
    assert (await bench.proofs.cancel("job-1")).state is JobState.CANCELLED
    with pytest.raises(UnknownJob):
        await bench.proofs.cancel("job-2")


async def test_the_same_job_is_joined_also_when_it_has_ended(bench: Bench) -> None:
    await bench.ended()
    bench.proofs.start(order(replace(TRIED, begun=True)))
    assert (await bench.end_of("job-1")).state is JobState.READY
    assert len(bench.disk.hypervisor.started) == 1


async def test_one_that_a_killed_node_had_begun_is_not_begun_again(bench: Bench) -> None:
    with pytest.raises(BootProofInterrupted):
        bench.proofs.start(order(replace(TRIED, begun=True)))
    assert bench.disk.hypervisor.started == []


async def test_a_killed_nodes_vm_is_removed_at_its_next_start(bench: Bench) -> None:
    await bench.daemon.vms.create(TRIED.machine)
    await bench.daemon.vms.start("vm-1")
    await bench.daemon.vms.create(replace(ORDER, vm_id="vm-2", name="db"))
    bench.daemon = await bench.disk.daemon()
    assert bench.disk.hypervisor.conditions["vm-1"] is Condition.GONE
    assert set(bench.disk.journal.records) == {"vm-2"}
    assert bench.disk.folders.names == {"vm-2"}


async def test_a_degraded_store_begins_none(bench: Bench) -> None:
    bench.gate.degraded = True
    with pytest.raises(StoreDegraded):
        bench.proofs.start(order())
