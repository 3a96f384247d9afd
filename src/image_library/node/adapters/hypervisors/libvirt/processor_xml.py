"""A domain's processor, clock, and what Windows is told of its hypervisor: as in ``qemu.processors``."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from image_library.domain.machine import Accelerator, Machine
from image_library.domain.processors import CpuModel, features_of
from image_library.node.adapters.hypervisors.libvirt.nodes import node
from image_library.node.adapters.hypervisors.qemu.processors import (
    ENLIGHTENMENTS,
    PLAIN,
    WITHOUT,
    enlightened,
)

# What would take time to emulate and is no use is not shown to the guest.
_HIDDEN_FEATURES = {"x86_64": ("la57",), "aarch64": ()}
# libvirt has this one as a timer, and says how often a spinlock is tried in a number of its own.
_TIMER = "time"
_SPINLOCKS = "spinlocks"


def processor(machine: Machine, accelerator: Accelerator) -> ET.Element:
    features = features_of(machine.cpu_model)
    if features:
        required = (node("feature", policy="require", name=name) for name in features)
        less = (node("feature", policy="disable", name=name) for name in WITHOUT)
        model = node("model", PLAIN, fallback="forbid")
        return node("cpu", model, *required, *less, mode="custom", match="exact", check="partial")
    if accelerator is Accelerator.KVM:
        return node("cpu", mode="maximum" if machine.cpu_model is CpuModel.MAX else "host-passthrough")
    hidden = (node("feature", policy="disable", name=f) for f in _HIDDEN_FEATURES[machine.architecture])
    return node("cpu", *hidden, mode="maximum")


def hyperv(machine: Machine, accelerator: Accelerator) -> Iterator[ET.Element]:
    """A feature of the domain, where it has it."""
    if enlightened(machine, accelerator):
        yield node("hyperv", *map(_enlightenment, _others()), mode="custom")


def _others() -> Iterator[str]:
    return (name for name in ENLIGHTENMENTS if name != _TIMER)


def _enlightenment(name: str) -> ET.Element:
    if name == _SPINLOCKS:
        return node(name, state="on", retries=int(ENLIGHTENMENTS[name], 16))
    return node(name, state="on")


def clock(machine: Machine, accelerator: Accelerator) -> ET.Element:
    if not machine.hardware.local_time:
        return node("clock", offset="utc")
    on_x86 = machine.architecture == "x86_64"
    # A tick that the guest was too late for is given to it later.
    timers = [node("timer", name="rtc", tickpolicy="catchup")] if on_x86 else []
    if enlightened(machine, accelerator):
        timers.append(node("timer", name="hypervclock", present="yes"))
    return node("clock", *timers, offset="localtime")
