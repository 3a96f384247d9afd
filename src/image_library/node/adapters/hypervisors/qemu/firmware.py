"""Finding UEFI firmware through qemu's own descriptors, which every distribution ships beside it.

Format: docs/interop/firmware.json in qemu's source.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_library.domain.errors import FirmwareMissing

# In qemu's order: the administrator's, then the distribution's.
DESCRIPTORS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))
# Where the files lie on systems whose packages bring no descriptors: code, then empty variables.
KNOWN_PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "x86_64": (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ),
    "aarch64": (
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
    ),
}
PACKAGES = {"x86_64": "ovmf", "aarch64": "qemu-efi-aarch64"}
# The same with Microsoft's keys in the variables, so that Secure Boot is on from the first start.
SECURE_PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "x86_64": (
        ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
        ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),
    ),
    "aarch64": (("/usr/share/AAVMF/AAVMF_CODE.ms.fd", "/usr/share/AAVMF/AAVMF_VARS.ms.fd"),),
}
# Firmware with these features wants a machine, or starts less, than one without.
UNWANTED = frozenset({"secure-boot", "requires-smm", "enrolled-keys", "amd-sev", "intel-tdx"})
SECURE = frozenset({"secure-boot", "enrolled-keys"})


@dataclass(frozen=True, kw_only=True)
class UefiFiles:
    """Absolute paths: the firmware itself, and the variables that each VM gets a copy of."""

    code: str
    code_format: str = "raw"
    variables: str
    variables_format: str = "raw"


def find_uefi(
    architecture: str, descriptors: tuple[Path, ...] = DESCRIPTORS, *, secure: bool = False
) -> UefiFiles:
    """Reads from disk. ``secure``: with Secure Boot on.

    Raises:
        FirmwareMissing: none is installed.
    """
    for path in sorted((p for d in descriptors for p in d.glob("*.json")), key=lambda p: p.name):
        files = _described(path, architecture, secure=secure)
        if files is not None and _there(files):
            return files
    for code, variables in (SECURE_PLACES if secure else KNOWN_PLACES).get(architecture, ()):
        files = UefiFiles(code=code, variables=variables)
        if _there(files):
            return files
    package = PACKAGES.get(architecture, "ovmf")
    raise FirmwareMissing(
        f"There is no UEFI firmware{' with Secure Boot' if secure else ''} for {architecture} on this node.",
        remedy=f"Install it: apt-get install {package}.",
    )


def _described(path: Path, architecture: str, *, secure: bool) -> UefiFiles | None:
    try:
        described: dict[str, Any] = json.loads(path.read_text())
        mapping: dict[str, Any] = described["mapping"]
        targets = {target["architecture"] for target in described["targets"]}
        fits = "uefi" in described["interface-types"] and architecture in targets
        if not fits or mapping["device"] != "flash" or not _suits(set(described["features"]), secure=secure):
            return None
        code, variables = mapping["executable"], mapping["nvram-template"]
        return UefiFiles(
            code=code["filename"],
            code_format=code["format"],
            variables=variables["filename"],
            variables_format=variables["format"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        # Somebody else's file in another shape: not one that we can use.
        return None


def _suits(features: set[str], *, secure: bool) -> bool:
    return features >= SECURE if secure else not UNWANTED & features


def _there(files: UefiFiles) -> bool:
    return Path(files.code).is_file() and Path(files.variables).is_file()
