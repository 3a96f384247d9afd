"""Watching a guest come up: its console, its SSH server and its agent are asked until it has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from image_library.domain.boot_progress import AgentFacts, BootProgress, first_address
from image_library.domain.machine import MachineRecord
from image_library.domain.vm import BootStage, CloudInitStatus
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import GuestWindow
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()

CONSOLE_SECONDS = 0.3
SSH_SECONDS = 1.0
AGENT_SECONDS = 2.0
# A guest that says nothing for this long on its console may still have a network to try.
SILENT_SECONDS = 15.0
# With SSH up and not a word from cloud-init for this long, no word is expected any more.
UNHEARD_SECONDS = 300.0
# A guest that has not arrived by then is left alone; its console can still be read.
GIVE_UP_SECONDS = 3600.0
MAX_LINE_BYTES = 8192
# What a guest writes is read in portions: whatever it is, others get their turn.
MAX_BYTES_AT_ONCE = 16 << 10
RESULT_TRIES = 4
SSH_PORT = 22


class BootWatch:
    """One boot of one VM, from power-on to its last stage. ``run`` once."""

    def __init__(
        self, record: MachineRecord, *, window: GuestWindow, records: VmRecords, clock: Clock
    ) -> None:
        self._vm_id = record.machine.vm_id
        self._ssh_port = record.machine.ssh_port
        self._window = window
        self._records = records
        self._clock = clock
        self._progress = BootProgress.so_far(record.report)
        self._offset = 0
        self._rest = b""
        self._agent_heard = False
        self._began = clock.monotonic()

    @property
    def _over(self) -> bool:
        late = self._clock.monotonic() - self._began > GIVE_UP_SECONDS
        return late or self._progress.stage is BootStage.DONE

    @property
    def _can_log_in(self) -> bool:
        """Whether it is known where; only at an address of its own does that need the guest's word."""
        return bool(self._ssh_port or self._progress.addresses)

    async def run(self) -> None:
        """Returns when the boot is over; every change on the way is in the VM's record."""
        await self._see(lambda seen: seen)
        async with asyncio.TaskGroup() as looking:
            looking.create_task(self._watch_console())
            looking.create_task(self._watch_ssh())
            looking.create_task(self._watch_agent())

    async def _see(self, step: Callable[[BootProgress], BootProgress]) -> None:
        """Folds one observation in and writes it down."""
        before = self._progress.stage
        self._progress = seen = step(self._progress)
        if seen.stage is not before:
            elapsed = round(self._clock.monotonic() - self._began, 1)
            log.info("vm_stage_reached", vm_id=self._vm_id, stage=seen.stage.value, seconds=elapsed)
        await self._records.report(
            self._vm_id,
            stage=seen.stage,
            cloud_init=seen.cloud_init,
            cloud_init_errors=seen.errors,
            ip_addresses=seen.addresses,
            **self._login(seen),
            error_message=seen.trouble,
            failures=seen.failures,
        )

    def _login(self, seen: BootProgress) -> dict[str, object]:
        """Where one logs in to a VM that no port is forwarded to: at its first address."""
        if self._ssh_port or not seen.addresses:
            return {}
        return {"ssh_host": first_address(seen.addresses), "ssh_port": SSH_PORT}

    async def _watch_console(self) -> None:
        while not self._over:
            data = await self._window.console(self._vm_id, self._offset)
            if data:
                await self._read(data[:MAX_BYTES_AT_ONCE])
                continue
            await self._clock.sleep(CONSOLE_SECONDS)
            if await self._window.console_size(self._vm_id) < self._offset:
                # It was trimmed.
                self._offset = 0

    async def _read(self, data: bytes) -> None:
        self._offset += len(data)
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest[-MAX_LINE_BYTES:]
        said = [line[:MAX_LINE_BYTES].decode("utf-8", "replace") for line in lines if line.strip()]
        heard = _heard(self._progress, said)
        if heard.finished and not self._progress.finished and self._agent_heard:
            result = await self._result()
            await self._see(lambda seen: _heard(seen, said, result))
        else:
            await self._see(lambda _: heard)

    async def _result(self) -> AgentFacts | None:
        """cloud-init writes its result just after it says on the console that it has finished."""
        for _ in range(RESULT_TRIES):
            facts = await self._window.agent(self._vm_id)
            if facts is not None and facts.cloud_init_errors is not None:
                return facts
            await self._clock.sleep(CONSOLE_SECONDS)
        return None

    async def _watch_ssh(self) -> None:
        if not self._ssh_port:
            await self._watch_address()
            return
        while not self._over and not self._progress.ssh:
            waited = self._clock.monotonic() - self._began
            worth_it = self._progress.networked or waited > SILENT_SECONDS
            if worth_it and await self._window.ssh_answers(self._ssh_port):
                await self._see(BootProgress.ssh_answered)
                break
            await self._clock.sleep(SSH_SECONDS)
        await self._expect_a_word()

    async def _watch_address(self) -> None:
        """The node may have no way to a bridge's guests, and calls no address that a guest only names.

        So SSH counts as up when an address is known and cloud-init, which starts after it, has finished.
        """
        while not self._over and not self._progress.addresses:
            await self._clock.sleep(SSH_SECONDS)
        await self._expect_a_word()
        while not self._over and not (self._progress.finished or self._progress.unheard):
            await self._clock.sleep(SSH_SECONDS)
        if not self._over:
            await self._see(BootProgress.ssh_answered)

    async def _expect_a_word(self) -> None:
        """Until a guest that is silent elsewhere has reported, which comes last; or for long enough."""
        since = self._clock.monotonic()
        while not self._over:
            if self._progress.cloud_init is not CloudInitStatus.UNKNOWN:
                return
            record = self._records.find(self._vm_id)
            reported = record is not None and record.report.guest is not None
            if reported or self._clock.monotonic() - since > UNHEARD_SECONDS:
                await self._see(BootProgress.stayed_unheard)
                return
            await self._clock.sleep(SSH_SECONDS)

    async def _watch_agent(self) -> None:
        while not self._over:
            await self._clock.sleep(AGENT_SECONDS)
            if not self._progress.networked or (self._progress.finished and self._can_log_in):
                continue
            facts = await self._window.agent(self._vm_id)
            if facts is not None:
                self._agent_heard = True
                await self._see(lambda seen, told=facts: seen.agent_told(told))


def _heard(seen: BootProgress, said: list[str], result: AgentFacts | None = None) -> BootProgress:
    for line in said:
        seen = seen.console_said(line)
    return seen.agent_told(result) if result else seen
