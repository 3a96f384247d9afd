"""Whether the image starts with its firmware, and whether a node has what the VM is to be given."""

from __future__ import annotations

from collections.abc import Iterator

from image_library.domain import capabilities
from image_library.domain.machine import Firmware
from image_library.domain.preflight.finding import Finding, green, red
from image_library.domain.preflight.subject import Subject
from image_library.domain.vm_wish import family_of

# Capability: code, what it is called, what brings it to a node, the field that asks for it.
_PARTS = (
    (capabilities.UEFI, "firmware.missing", "UEFI firmware", "ovmf", "spec.firmware"),
    (capabilities.SECURE_BOOT, "secure_boot.missing", "firmware for Secure Boot", "ovmf", "spec.firmware"),
    (capabilities.TPM, "tpm.missing", "a TPM to give", "swtpm swtpm-tools", "spec.tpm"),
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
    wanted = capabilities.wanted_by(Firmware(subject.firmware), tpm=subject.tpm)
    nodes = subject.node_capabilities
    if not wanted or not nodes or any(wanted <= has for has in nodes):
        return
    whole = frozenset[str]().union(*nodes)
    for word, code, name, package, field in _PARTS:
        # Where each part is somewhere, no node has them together: all are named.
        if word in wanted and (word not in whole or wanted <= whole):
            yield red(
                code,
                f"No node that may run it has {name}{' beside the rest' if word in whole else ''}.",
                f"Install it there (apt-get install {package}) and start the node again, or ask for less.",
                field,
            )
