"""What a node's hypervisor may have to give a VM: words that nodes report and wishes are held against."""

from __future__ import annotations

from collections.abc import Iterable

from image_library.domain.bridges import word_of
from image_library.domain.machine import Firmware
from image_library.domain.processors import LEVELS, words_up_to

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


def wanted_by(
    firmware: Firmware, *, tpm: bool, bridges: Iterable[str] = (), cpu_level: int = 0
) -> frozenset[str]:
    """What a node must have for such a VM. ``cpu_level`` is what its system is built for."""
    parts = frozenset({TPM}) if tpm else frozenset[str]()
    cards = frozenset(word_of(bridge) for bridge in bridges if bridge)
    return _OF_FIRMWARE[firmware] | parts | cards | frozenset(words_up_to(cpu_level)[1:])


def told(words: Iterable[str]) -> frozenset[str]:
    """What a node has, as far as it says: one that tells no level of its processor is taken to have all."""
    has = frozenset(words)
    return has if not has or has & set(LEVELS) else has | set(LEVELS)
