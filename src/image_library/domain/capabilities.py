"""What a node's hypervisor may have to give a VM: words that nodes report and wishes are held against."""

from __future__ import annotations

from image_library.domain.machine import Firmware

UEFI = "uefi"
SECURE_BOOT = "secure_boot"
TPM = "tpm"
# Every VM can be given this; it tells a node that has nothing else from one that says nothing.
BASIC = "basic"

_OF_FIRMWARE = {
    Firmware.BIOS: frozenset[str](),
    Firmware.UEFI: frozenset({UEFI}),
    Firmware.UEFI_SECURE_BOOT: frozenset({UEFI, SECURE_BOOT}),
}


def wanted_by(firmware: Firmware, *, tpm: bool) -> frozenset[str]:
    """What a node must have for such a VM."""
    return _OF_FIRMWARE[firmware] | (frozenset({TPM}) if tpm else frozenset[str]())
