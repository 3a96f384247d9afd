"""What is installed here that machines can be given."""

from __future__ import annotations

import platform
from pathlib import Path

from image_library.domain import capabilities
from image_library.domain.bridges import word_of
from image_library.domain.errors import FirmwareMissing, TpmMissing
from image_library.domain.machine import Accelerator
from image_library.domain.processors import LEVELS, level_of_flags, words_up_to
from image_library.node.adapters.hypervisors.host_bridges import HostBridges
from image_library.node.adapters.hypervisors.qemu.firmware import find_uefi
from image_library.node.adapters.hypervisors.qemu.tpm import find_tpm


def installed(search_path: str | None = None) -> tuple[str, ...]:
    """For machines of this node's own architecture; words of ``domain.capabilities``. Reads from disk."""
    there = {
        capabilities.UEFI: _has_firmware(secure=False),
        capabilities.SECURE_BOOT: _has_firmware(secure=True),
        capabilities.TPM: _has_tpm(search_path),
    }
    return (capabilities.BASIC, *(word for word, has in there.items() if has))


def bridges_and_levels(bridges: HostBridges, accelerator: str) -> tuple[str, ...]:
    """What else they can be given: bridges, and processors up to a level. Reads from disk."""
    return (*(word_of(name) for name in bridges.usable()), *_levels(accelerator))


def _levels(accelerator: str) -> tuple[str, ...]:
    """Of x86-64; empty elsewhere, and where nothing can be run."""
    if platform.machine() != "x86_64" or not accelerator:
        return ()
    # qemu 7.2 and later emulate all of them.
    emulated = accelerator == Accelerator.TCG.value
    return LEVELS if emulated else words_up_to(level_of_flags(_flags()))


def _flags() -> tuple[str, ...]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    return next((tuple(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), ())


def _has_firmware(*, secure: bool) -> bool:
    try:
        find_uefi(platform.machine(), secure=secure)
    except FirmwareMissing:
        return False
    return True


def _has_tpm(search_path: str | None) -> bool:
    try:
        find_tpm(search_path)
    except TpmMissing:
        return False
    return True
