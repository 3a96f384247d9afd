"""A machine's processor as qemu's argument: its model, and what Windows asks of a hypervisor."""

from __future__ import annotations

from image_library.domain.errors import ProcessorUnfit
from image_library.domain.machine import Accelerator, Machine
from image_library.domain.processors import CpuModel, features_of

_PROCESSORS = {
    ("x86_64", Accelerator.KVM): "host",
    # Enterprise Linux 9 needs x86-64-v2 and 10 needs v3, so all that can be emulated is shown. A Debian boot
    # takes 6 % more processor time than on the oldest model that would do; five-level paging would add more.
    ("x86_64", Accelerator.TCG): "max,la57=off",
    ("aarch64", Accelerator.KVM): "host",
    # The architected pointer authentication algorithm takes most of a boot's time when it is emulated.
    ("aarch64", Accelerator.TCG): "max,pauth-impdef=on",
}
# The plainest 64-bit processor, to which a level is added, and what it has that not every host does.
PLAIN = "qemu64"
WITHOUT = ("svm",)
# What qemu's docs/system/i386/hyperv.rst recommends; values where it is more than "on".
ENLIGHTENMENTS = {
    "relaxed": "on",
    "vapic": "on",
    "spinlocks": "0x1fff",
    "vpindex": "on",
    "runtime": "on",
    "time": "on",
    "synic": "on",
    "stimer": "on",
    "reset": "on",
    "frequencies": "on",
}


def judge_processor(machine: Machine, accelerator: Accelerator) -> None:
    """Raises: ProcessorUnfit: guests cannot be shown that model here."""
    model = machine.cpu_model
    if model is CpuModel.HOST and accelerator is not Accelerator.KVM:
        raise ProcessorUnfit("The host's own processor is shown with KVM only.", field="spec.cpu.model")
    if features_of(model) and machine.architecture != "x86_64":
        raise ProcessorUnfit(f"{model} is no processor of {machine.architecture}.", field="spec.cpu.model")


def enlightened(machine: Machine, accelerator: Accelerator) -> bool:
    """They are KVM's work."""
    return machine.hardware.hyperv and accelerator is Accelerator.KVM


def processor(machine: Machine, accelerator: Accelerator) -> str:
    return ",".join((_model(machine, accelerator), *_hyperv(machine, accelerator)))


def _model(machine: Machine, accelerator: Accelerator) -> str:
    usual = _PROCESSORS[machine.architecture, accelerator]
    features = features_of(machine.cpu_model)
    if features:
        # Refused rather than left out where the host has not all of it.
        less = (f"{name}=off" for name in WITHOUT)
        return ",".join((PLAIN, *(f"{name}=on" for name in features), *less, "enforce"))
    if machine.cpu_model is CpuModel.MAX:
        return _PROCESSORS[machine.architecture, Accelerator.TCG] if accelerator is Accelerator.TCG else "max"
    return usual


def _hyperv(machine: Machine, accelerator: Accelerator) -> tuple[str, ...]:
    if not enlightened(machine, accelerator):
        return ()
    return tuple(f"hv_{name}={value}" for name, value in ENLIGHTENMENTS.items())
