"""Whether the image starts with its firmware, and whether a node has what the VM is to be given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from image_library.domain import capabilities
from image_library.domain.bridges import word_of
from image_library.domain.guest_hardware import Devices
from image_library.domain.machine import Firmware
from image_library.domain.os_info import OsFamily
from image_library.domain.preflight.finding import Finding, amber, green, red
from image_library.domain.preflight.subject import Subject
from image_library.domain.processors import LEVELS, CpuModel, level_needed, level_of
from image_library.domain.vm_wish import family_of


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What a node may lack. ``word`` is the capability, ``field`` what asks for it."""

    word: str
    code: str
    name: str
    fix: str
    field: str


# Capability: code, what it is called, what brings it to a node, the field that asks for it.
_PACKAGED = (
    (capabilities.UEFI, "firmware.missing", "UEFI firmware", "ovmf", "spec.firmware"),
    (capabilities.SECURE_BOOT, "secure_boot.missing", "firmware for Secure Boot", "ovmf", "spec.firmware"),
    (capabilities.TPM, "tpm.missing", "a TPM to give", "swtpm swtpm-tools", "spec.tpm"),
)
_DOORS = (
    _Part(
        word=capabilities.DOOR,
        code="door.missing",
        name="a door for guests to find their documents at",
        fix="Use a node whose QEMU is not confined by libvirt, or NoCloud on a disk.",
        field="datasource",
    ),
    _Part(
        word=capabilities.BRIDGE_DOOR,
        code="door.missing",
        name="a door that guests on a bridge find",
        fix="Set guest_listen and guest_url in the node's settings.toml, or use NoCloud on a disk.",
        field="datasource",
    ),
)
_PARTS = (
    tuple(
        _Part(
            word=word,
            code=code,
            name=name,
            fix=f"Install it there (apt-get install {package}) and start the node again, or ask for less.",
            field=field,
        )
        for word, code, name, package, field in _PACKAGED
    )
    + _DOORS
)


def firmware(subject: Subject) -> Iterator[Finding]:
    """Against what was seen inside the image."""
    found = subject.found.firmware if subject.found else ()
    if found and family_of(subject.firmware) not in found:
        yield red(
            "firmware.unfit",
            f"The image boots with {' or '.join(found)}, not with {subject.firmware}.",
            f"Ask for {found[0]}.",
            "spec.firmware",
        )
    else:
        yield green("firmware.sound", f"The firmware is {subject.firmware.replace('_', ' ')}.")


def equipment(subject: Subject) -> Iterator[Finding]:
    """Against what the nodes say they have; of those that have not said nothing is known."""
    wanted = capabilities.wanted_by(
        Firmware(subject.firmware),
        tpm=subject.tpm,
        bridges=subject.bridges,
        cpu_level=_level(subject),
        datasource=subject.datasource,
    )
    nodes = subject.node_capabilities
    if not wanted or not nodes or any(wanted <= has for has in nodes):
        return
    whole = frozenset[str]().union(*nodes)
    for part in (
        *_PARTS,
        *_processors(),
        *map(_bridge, dict.fromkeys(filter(None, subject.bridges))),
    ):
        # Where each part is somewhere, no node has them together: all are named.
        if part.word in wanted and (part.word not in whole or wanted <= whole):
            beside = " beside the rest" if part.word in whole else ""
            yield red(part.code, f"No node that may run it has {part.name}{beside}.", part.fix, part.field)


def processor(subject: Subject) -> Iterator[Finding]:
    """The model that is asked for against what the system is built for."""
    shown, needed = level_of(subject.cpu_model), level_needed(subject.os)
    if subject.cpu_model is CpuModel.HOST and subject.node_accelerators == frozenset({"tcg"}):
        yield red(
            "cpu.missing",
            "The host's own processor is shown with KVM only, and no node that may run it has that.",
            "Leave the model out.",
            "spec.cpu.model",
        )
    elif shown and shown < needed:
        yield red(
            "cpu.unfit",
            f"The image is built for {LEVELS[needed - 1]}, and the processor is {subject.cpu_model}.",
            f"Ask for {LEVELS[needed - 1]}, or leave the model out.",
            "spec.cpu.model",
        )
    elif needed > 1:
        yield green("cpu.sound", f"The image is built for {LEVELS[needed - 1]} or better.")


def bridged(subject: Subject) -> Iterator[Finding]:
    if subject.bridges and all(subject.bridges) and len(subject.bridges) == len(subject.network.cards):
        yield green("network.bridged", "One logs in at an address of its own, once it is known.")


def drivers(subject: Subject) -> Iterator[Finding]:
    windows = subject.os.family is OsFamily.WINDOWS
    if windows and subject.devices is Devices.VIRTIO and not subject.has_drivers:
        yield amber(
            "windows.drivers",
            "Windows starts from virtio only where its drivers are in the image.",
            "Leave the devices out, or give it a disc with drivers: driver_iso.",
            "spec.devices",
        )


def _level(subject: Subject) -> int:
    return max(level_needed(subject.os), level_of(subject.cpu_model))


def _processors() -> Iterator[_Part]:
    for word in LEVELS[1:]:
        yield _Part(
            word=word,
            code="cpu.missing",
            name=f"a processor of {word} to show",
            fix="Use a node with a newer processor, or an image that is built for older ones.",
            field="spec.cpu.model",
        )


def _bridge(name: str) -> _Part:
    return _Part(
        word=word_of(name),
        code="bridge.missing",
        name=f"the bridge '{name}' for VMs",
        fix="Make it there, add it to 'bridges' in the node's settings.toml and start the node again.",
        field="spec.nics.network_id",
    )
