"""Following a VM's first boot: the stages as they pass, until cloud-init has finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from image_library.cli.output import Output, plain
from image_library.cli.progress import PATIENCE, reconnecting
from image_library.cli.sizes import shown_seconds
from image_library.cli.streams import attended
from image_library.domain.errors import (
    BootTimeout,
    CloudInitFailed,
    HypervisorFailed,
    Internal,
    LibraryError,
    rebuild,
)
from limiquantix.compute.v1.vm_pb import VirtualMachine, VmStatus, WatchVMRequest

if TYPE_CHECKING:
    from image_library.cli.clients import Library

# In their order, with what is said when a VM reaches one.
STAGES = {
    "image": "image",
    "disk": "disk",
    "boot": "boot",
    "network": "network",
    "cloud_init": "cloud-init",
    "ssh": "SSH",
    "done": "done",
}
DEAD = (
    VmStatus.PowerState.STOPPED,
    VmStatus.PowerState.CRASHED,
    VmStatus.PowerState.LOST,
    VmStatus.PowerState.TERMINATED,
)


@dataclass(kw_only=True)
class Stages:
    """Says each stage that a VM reaches, and how long after the start it did."""

    out: Output
    clock: Callable[[], float] = time.monotonic
    _said: list[str] = field(default_factory=list[str])
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.clock()

    def update(self, status: VmStatus) -> None:
        """The stage of ``status`` and those before it; cloud-init's is known apart from the others."""
        if status.stage not in STAGES:
            return
        reached = list(STAGES)[: list(STAGES).index(status.stage) + 1]
        for stage in (s for s in reached if s not in self._said and s != "image"):
            if stage != "cloud_init" or status.cloud_init_status:
                self._said.append(stage)
                self.out.note(f"  {STAGES[stage]:<12}{shown_seconds(self.clock() - self._began):>12}")

    @property
    def current(self) -> str:
        return STAGES[self._said[-1]] if self._said else "the image"


def follow(library: Library, vm: VirtualMachine, out: Output, *, seconds: float) -> VirtualMachine:
    """Shows the stages until SSH answers and cloud-init has finished; the VM as it is then.

    Raises what made the VM fail, CloudInitFailed or BootTimeout after ``seconds``. cloud-init's errors in
    a VM that is ready otherwise are for the caller to tell: see ``cloud_init_failure``.
    """
    stages, last = Stages(out=out), vm
    watching = reconnecting(
        lambda: library.vms.watch_vm(WatchVMRequest(vm_id=vm.id)), out, seconds=min(PATIENCE, seconds)
    )
    try:
        for now in attended(watching, seconds=seconds):
            last = now
            stages.update(now.status or VmStatus())
            if (failed := vm_failure(now)) is not None:
                raise failed
            if now.status is not None and now.status.stage == "done":
                return now
    except TimeoutError:
        raise cloud_init_failure(last) or _too_slow(last, stages, seconds) from None
    except KeyboardInterrupt:
        out.note(f"The VM goes on booting. See: limiquantix vms show {plain(vm.name)}")
        raise
    raise Internal(f"The server stopped telling about the VM '{plain(vm.name)}' before it was ready.")


def tell_guest(vm: VirtualMachine, out: Output) -> None:
    """What was said of modules that failed, and by which keys its SSH server is known."""
    status = vm.status or VmStatus()
    for line in failure_lines(status):
        out.note(f"  {line}")
    for key in status.guest.host_keys if status.guest else ():
        out.note(f"  {'host key':<12}{key.algorithm} {key.fingerprint}")


def failure_lines(status: VmStatus) -> Iterator[str]:
    """What was said of each module of cloud-init that failed, under its name."""
    for failure in status.cloud_init_failures:
        yield f"{failure.module}:"
        yield from (f"  {line}" for line in failure.lines)


def _too_slow(vm: VirtualMachine, stages: Stages, seconds: float) -> BootTimeout:
    return BootTimeout(
        f"The VM '{plain(vm.name)}' has come no further than {stages.current} in {shown_seconds(seconds)}.",
        remedy=_console(vm),
    )


def _console(vm: VirtualMachine) -> str:
    return f"Look at its serial console: 'limiquantix vms logs {plain(vm.name)}'."


def vm_failure(vm: VirtualMachine) -> LibraryError | None:
    """Why a VM that should run does not; None while nothing is wrong."""
    status = vm.status or VmStatus()
    if status.error_code or (status.error_message and status.state in DEAD):
        said = plain(status.error_message) or f"The VM '{plain(vm.name)}' failed."
        return rebuild(status.error_code or HypervisorFailed.code, said, remedy=plain(status.error_remedy))
    if status.state is VmStatus.PowerState.RUNNING and status.error_message:
        return BootTimeout(plain(status.error_message), remedy=_console(vm))
    # A VM that was just recorded has not run yet: it is STOPPED until its disk is there.
    if status.stage not in ("", "image", "disk") and status.state in DEAD:
        return BootTimeout(f"The VM '{plain(vm.name)}' stopped while it booted.", remedy=_console(vm))
    return None


def cloud_init_failure(vm: VirtualMachine) -> CloudInitFailed | None:
    """cloud-init's own errors by name; None when there are none."""
    status = vm.status or VmStatus()
    if status.cloud_init_status != "error" and not status.cloud_init_errors:
        return None
    named = "; ".join(plain(error) for error in status.cloud_init_errors) or "it names none"
    return CloudInitFailed(
        f"cloud-init reports errors in '{plain(vm.name)}': {named}.",
        remedy=f"Log in and read /var/log/cloud-init.log, or 'limiquantix vms logs {plain(vm.name)}'.",
    )
