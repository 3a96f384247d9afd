"""One attempt to boot an image: the throw-away VM is made, watched and logged in to, and always removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from image_library.domain.boot_proof import (
    LOGIN,
    QUESTIONS,
    BootFacts,
    BootProof,
    GuestAnswers,
    ProofOutcome,
    StageTime,
    answers,
    module_of,
    serial_tail,
)
from image_library.domain.errors import BootProofFailed, LibraryError, printable
from image_library.domain.proof_order import WATCHED_SECONDS, ProofOrder, with_key
from image_library.domain.vm import BootStage, PowerState, VmReport
from image_library.node.ports.clock import Clock
from image_library.node.ports.logins import GuestAt, GuestLogin
from image_library.node.ports.vms import GuestWindow, Hypervisor, VmFolders
from image_library.node.services.vm_lives import OPEN
from image_library.node.services.vm_records import VmRecords
from image_library.node.services.vms import Vms

log = structlog.get_logger()

Told = Callable[[tuple[StageTime, ...]], None]

LOOK_SECONDS = 0.5
# Between two tries to log in: the key may come some time after the server.
LOGIN_PAUSE_SECONDS = 2.0
REMOVE_TRIES = 3
_SERIAL_BYTES = 64 << 10
_ORDER = (BootStage.BOOT, BootStage.NETWORK, BootStage.CLOUD_INIT, BootStage.SSH)
_REACHED_BY = {stage.value: number for number, stage in enumerate(_ORDER)}
_SHOWN = frozenset(_REACHED_BY)

_REMEDIES = {
    "boot": "See that the image boots with this firmware, and look at the end of its console.",
    "network": "It may need other firmware, more time (--timeout), or a serial console to tell why.",
    "cloud_init": "Look at the module and the console; a profile may ask for what needs a network.",
    "ssh": "See that the image starts an SSH server and gets an address by DHCP.",
    "login": "See that the image's cloud-init makes the user, and that its SSH server takes ed25519 keys.",
}
_NO_LOGIN = (
    "Nobody can log in to this kind of guest from here: that its machine started and went on running is all "
    "that was seen."
)


class _DidNot(Exception):
    """The guest did not come to a stage, or something in it went wrong."""

    def __init__(self, stage: str, message: str, module: str = "") -> None:
        super().__init__(message)
        self.stage, self.message, self.module = stage, message, module


@dataclass
class _Boot:
    """A boot under way. ``guest.port`` is known from its start on."""

    order: ProofOrder
    guest: GuestAt
    told: Told
    began: float = 0.0
    stages: dict[str, float] = field(default_factory=dict[str, float])
    facts: BootFacts = BootFacts()
    # Why the last login failed.
    why: str = ""

    @property
    def vm_id(self) -> str:
        return self.order.machine.vm_id

    @property
    def times(self) -> tuple[StageTime, ...]:
        return tuple(StageTime(stage=stage, seconds=at) for stage, at in self.stages.items())

    def reached(self, stage: str, seconds: float) -> None:
        if stage not in self.stages:
            self.stages[stage] = round(seconds, 1)
            self.told(self.times)


class ProofAttempts:
    """``hypervisor_name`` is "qemu" or "libvirt"."""

    def __init__(
        self,
        *,
        vms: Vms,
        records: VmRecords,
        folders: VmFolders,
        hypervisor: Hypervisor,
        window: GuestWindow,
        login: GuestLogin,
        clock: Clock,
        node_id: str,
        hypervisor_name: str,
    ) -> None:
        self._vms = vms
        self._records = records
        self._folders = folders
        self._hypervisor = hypervisor
        self._window = window
        self._login = login
        self._clock = clock
        self._node_id = node_id
        self._hypervisor_name = hypervisor_name

    async def run(self, job_id: str, order: ProofOrder, told: Told) -> BootProof:
        """The proof, also where it failed; ``told`` hears of each stage. The VM is gone when this returns.

        Raises:
            LibraryError: the trial itself was not possible: nothing can be said of the image.
        """
        key = await self._login.make_key() if order.login_user else None
        if key is not None:
            machine = replace(order.machine, seed=with_key(order.machine.seed, key.public))
            order = replace(order, machine=machine)
        async with self._made(order) as folder:
            guest = GuestAt(folder=folder, port=0, user=order.login_user)
            if key is not None:
                await self._login.keep_key(guest, key)
            await self._vms.start(order.machine.vm_id)
            port = self._records.get(order.machine.vm_id).machine.ssh_port
            boot = _Boot(order=order, guest=replace(guest, port=port), told=told)
            boot.began = self._clock.monotonic()
            boot.reached(BootStage.BOOT.value, 0.0)
            return await self._judged(job_id, boot)

    async def _judged(self, job_id: str, boot: _Boot) -> BootProof:
        proof = await self._seed_of_proof(job_id, boot)
        try:
            await (self._arrive(boot) if boot.order.login_user else self._run_on(boot))
        except _DidNot as failed:
            proof = replace(
                proof,
                outcome=ProofOutcome.FAILED,
                failed_stage=failed.stage,
                failed_module=failed.module,
                error_code=BootProofFailed.code,
                error_message=failed.message,
                error_remedy=_REMEDIES.get(failed.stage, BootProofFailed.remedy_default),
            )
        logged_in = LOGIN in boot.stages
        return replace(
            proof,
            proved_at=self._clock.now(),
            login_method="ssh key" if logged_in else "",
            login_user=boot.order.login_user if logged_in else "",
            stages=boot.times,
            facts=boot.facts,
            serial_tail=await self._serial(boot.vm_id),
        )

    async def _seed_of_proof(self, job_id: str, boot: _Boot) -> BootProof:
        """All that is known before the guest has said a word."""
        order = boot.order
        return BootProof(
            outcome=ProofOutcome.PASSED if order.login_user else ProofOutcome.PARTIAL,
            digest=order.machine.disk.backing_digest,
            proved_at=self._clock.now(),
            job_id=job_id,
            node_id=self._node_id,
            hypervisor=self._hypervisor_name,
            accelerator=await self._hypervisor.accelerator(),
            firmware=order.machine.firmware.value,
            profile=order.profile,
            unproved="" if order.login_user else _NO_LOGIN,
        )

    async def _arrive(self, boot: _Boot) -> None:
        """Returns once somebody has logged in and cloud-init has ended well. Raises _DidNot."""
        while True:
            report = self._look(boot)
            if report.stage in (BootStage.SSH, BootStage.DONE):
                said = await self._asked(boot)
                if said is not None and said.settled:
                    await self._conclude(boot, said, report)
                    return
                await self._clock.sleep(LOGIN_PAUSE_SECONDS)
            else:
                await self._clock.sleep(LOOK_SECONDS)
            if self._elapsed(boot) > boot.order.timeout_seconds:
                raise _late(boot)

    async def _run_on(self, boot: _Boot) -> None:
        """Returns once the machine has run by itself for a while, or its agent spoke. Raises _DidNot."""
        watched = min(WATCHED_SECONDS, boot.order.timeout_seconds)
        while self._elapsed(boot) < watched:
            self._look(boot)
            if await self._window.agent(boot.vm_id) is not None:
                boot.facts = replace(boot.facts, agent=True)
                return
            await self._clock.sleep(LOOK_SECONDS)

    def _look(self, boot: _Boot) -> VmReport:
        """How it is now. Raises _DidNot: it has ended, or its kernel has panicked."""
        record = self._records.find(boot.vm_id)
        if record is None:
            raise BootProofFailed("The throw-away VM was removed by somebody else.")
        report = record.report
        if report.stage.value in _SHOWN:
            boot.reached(report.stage.value, self._elapsed(boot))
        if report.error_message:
            raise _DidNot(_next(boot), printable(report.error_message, 300))
        if report.state not in OPEN:
            ended = "switched itself off" if report.state is PowerState.STOPPED else "ended by itself"
            raise _DidNot(_next(boot), f"The machine {ended} before anybody could log in.")
        return report

    async def _asked(self, boot: _Boot) -> GuestAnswers | None:
        """What the guest says of itself, once it lets us in."""
        boot.reached(BootStage.SSH.value, self._elapsed(boot))
        answer = await self._login.ask(boot.guest, QUESTIONS)
        boot.why = answer.why
        said = answers(answer.output) if answer.output is not None else None
        if said is not None:
            boot.reached(LOGIN, self._elapsed(boot))
            boot.facts = said.facts
        return said

    async def _conclude(self, boot: _Boot, said: GuestAnswers, report: VmReport) -> None:
        agent = await self._window.agent(boot.vm_id)
        types = {*boot.facts.host_key_types, *await self._login.host_keys(boot.guest)}
        boot.facts = replace(boot.facts, host_key_types=tuple(sorted(types)), agent=agent is not None)
        if said.errors:
            # The console's sentences name modules where cloud-init's own result may not.
            worst = next((e for e in report.cloud_init_errors if module_of(e)), said.errors[0])
            raise _DidNot("cloud_init", f"cloud-init ended with an error: {worst}", module_of(worst))
        boot.reached(BootStage.DONE.value, self._elapsed(boot))

    def _elapsed(self, boot: _Boot) -> float:
        return self._clock.monotonic() - boot.began

    async def _serial(self, vm_id: str) -> str:
        """The end of the console; it goes on growing, so no more than is there now."""
        end = await self._window.console_size(vm_id)
        offset, said = max(0, end - _SERIAL_BYTES), b""
        while offset + len(said) < end and (piece := await self._window.console(vm_id, offset + len(said))):
            said += piece
        return serial_tail(said[:_SERIAL_BYTES])

    @asynccontextmanager
    async def _made(self, order: ProofOrder) -> AsyncGenerator[str]:
        """The VM's folder, for as long as the block lasts; then nothing of the VM is left."""
        vm_id = order.machine.vm_id
        try:
            await self._vms.create(order.machine)
            yield self._folders.path(vm_id)
        finally:
            await asyncio.shield(self._remove(vm_id))

    async def _remove(self, vm_id: str) -> None:
        for left in reversed(range(REMOVE_TRIES)):
            try:
                await self._vms.delete(vm_id)
                return
            except LibraryError as error:
                # What is left then goes at the next start.
                log.warning("proof_vm_not_removed", vm_id=vm_id, code=error.code, tries_left=left)
                await self._clock.sleep(LOGIN_PAUSE_SECONDS)


def _next(boot: _Boot) -> str:
    """The stage after the last that was reached."""
    furthest = max((_REACHED_BY[stage] for stage in boot.stages if stage in _REACHED_BY), default=-1)
    if LOGIN in boot.stages:
        return "cloud_init"
    return _ORDER[furthest + 1].value if furthest + 1 < len(_ORDER) else LOGIN


def _late(boot: _Boot) -> _DidNot:
    stage, within = _next(boot), f"within {boot.order.timeout_seconds} seconds"
    if LOGIN in boot.stages:
        return _DidNot(stage, f"Somebody could log in, but cloud-init did not end {within}.")
    if stage == LOGIN:
        why = f": {boot.why}" if boot.why else ""
        return _DidNot(stage, f"Nobody could log in {within}, though the SSH server answers{why}")
    return _DidNot(stage, f"The guest did not come to the stage '{stage}' {within}.")
