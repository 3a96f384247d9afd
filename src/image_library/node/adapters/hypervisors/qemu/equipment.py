"""What is installed here that machines can be given."""

from __future__ import annotations

import platform

from image_library.domain import capabilities
from image_library.domain.errors import FirmwareMissing, TpmMissing
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
