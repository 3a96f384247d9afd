import json
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import FirmwareMissing
from image_library.node.adapters.hypervisors.qemu.firmware import find_uefi


def describe(
    folder: Path,
    name: str,
    *,
    architecture: str = "x86_64",
    interfaces: tuple[str, ...] = ("uefi",),
    features: tuple[str, ...] = (),
) -> None:
    code, variables = folder / f"{name}.code.fd", folder / f"{name}.vars.fd"
    code.write_bytes(b"code")
    variables.write_bytes(b"vars")
    described: dict[str, Any] = {
        "interface-types": interfaces,
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(code), "format": "raw"},
            "nvram-template": {"filename": str(variables), "format": "raw"},
        },
        "targets": [{"architecture": architecture, "machines": ["pc-q35-*"]}],
        "features": ["acpi-s3", *features],
    }
    (folder / f"{name}.json").write_text(json.dumps(described))


def test_takes_the_first_that_fits(tmp_path: Path) -> None:
    describe(tmp_path, "40-secure", features=("secure-boot", "requires-smm"))
    describe(tmp_path, "50-bios", interfaces=("bios",))
    describe(tmp_path, "55-arm", architecture="aarch64")
    describe(tmp_path, "60-plain")
    describe(tmp_path, "70-later")
    assert find_uefi("x86_64", (tmp_path,)).code.endswith("60-plain.code.fd")


def test_passes_over_what_is_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "10-broken.json").write_text("{")
    (tmp_path / "11-odd.json").write_text("[]")
    describe(tmp_path, "60-plain")
    assert find_uefi("x86_64", (tmp_path,)).variables.endswith("60-plain.vars.fd")


def test_passes_over_files_that_are_not_there(tmp_path: Path) -> None:
    describe(tmp_path, "10-gone")
    (tmp_path / "10-gone.code.fd").unlink()
    describe(tmp_path, "60-plain")
    assert find_uefi("x86_64", (tmp_path,)).code.endswith("60-plain.code.fd")


def test_none_is_an_error_with_the_command_that_helps(tmp_path: Path) -> None:
    with pytest.raises(FirmwareMissing) as error:
        find_uefi("riscv64", (tmp_path,))
    assert "apt-get install" in error.value.remedy


def test_secure_boot_takes_firmware_with_keys_only(tmp_path: Path) -> None:
    describe(tmp_path, "30-plain")
    describe(tmp_path, "40-no-keys", features=("secure-boot", "requires-smm"))
    describe(tmp_path, "50-keys", features=("secure-boot", "requires-smm", "enrolled-keys", "amd-sev"))
    assert find_uefi("x86_64", (tmp_path,), secure=True).code.endswith("50-keys.code.fd")


def test_no_secure_boot_is_no_plain_uefi_instead(tmp_path: Path) -> None:
    describe(tmp_path, "60-plain", architecture="riscv64")
    with pytest.raises(FirmwareMissing, match="Secure Boot"):
        find_uefi("riscv64", (tmp_path,), secure=True)
