import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from image_library.domain.image import ImageFormat
from image_library.domain.machine import Accelerator, Backing, Firmware, Machine
from image_library.node.adapters.hypervisors.qemu.arguments import Launch, arguments, needs_uefi
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles

GOLDEN = Path(__file__).parents[5] / "data/qemu"
MACHINE = Machine(
    vm_id="0b8d2c0e-4b9f-4c5e-9d0e-0d9d3a1f2b3c",
    name="web",
    architecture="x86_64",
    cores=2,
    memory_mib=2048,
    firmware=Firmware.BIOS,
    mac_address="52:54:00:12:34:56",
    disk_bytes=10 << 30,
    backing=Backing(path="/data/blobs/sha256/ab/abc", format=ImageFormat.QCOW2),
)
LAUNCH = Launch(
    machine=MACHINE, folder="/data/vms/one", accelerator=Accelerator.KVM, ssh_port=40001, monitor=7
)
UEFI = UefiFiles(code="/fw/code.fd", variables="/fw/vars.fd")
ARM = replace(MACHINE, architecture="aarch64", backing=replace(MACHINE.backing, format=ImageFormat.RAW))
CASES = {
    "x86_64-kvm": LAUNCH,
    "x86_64-tcg-isolated": replace(LAUNCH, accelerator=Accelerator.TCG, isolated=True),
    "x86_64-door": replace(LAUNCH, machine=replace(MACHINE, door=True), isolated=True),
    "x86_64-uefi": replace(LAUNCH, machine=replace(MACHINE, firmware=Firmware.UEFI), uefi=UEFI),
    "x86_64-secure-tpm": replace(
        LAUNCH, machine=replace(MACHINE, firmware=Firmware.UEFI_SECURE_BOOT, tpm=True), uefi=UEFI, tpm=9
    ),
    "aarch64-kvm": replace(LAUNCH, machine=ARM, uefi=UEFI),
    "aarch64-tcg": replace(LAUNCH, machine=ARM, uefi=UEFI, accelerator=Accelerator.TCG),
    "aarch64-secure-tpm": replace(
        LAUNCH, machine=replace(ARM, firmware=Firmware.UEFI_SECURE_BOOT, tpm=True), uefi=UEFI, tpm=9
    ),
}


def by_lines(launch: Launch) -> str:
    """One option with its value a line."""
    return " ".join(arguments(launch)).replace(" -", "\n-") + "\n"


@pytest.mark.parametrize("case", CASES)
def test_is_what_the_golden_file_shows(case: str) -> None:
    assert by_lines(CASES[case]) == (GOLDEN / f"{case}.txt").read_text()


def blocks(launch: Launch) -> list[dict[str, object]]:
    words = arguments(launch)
    return [json.loads(value) for option, value in pairwise(words) if option == "-blockdev"]


@pytest.mark.parametrize("path", ["/a,b=c", "/with space", "/json:{}", '/quo"te', "/ünï"])
def test_a_path_stays_one_path_whatever_characters_it_has(path: str) -> None:
    machine = replace(MACHINE, backing=Backing(path=path, format=ImageFormat.RAW))
    disk, seed = blocks(replace(LAUNCH, machine=machine, folder=path))
    assert disk["file"] == {"driver": "file", "filename": f"{path}/disk.qcow2", "discard": "unmap"}
    assert disk["backing"] == {
        "driver": "raw",
        "read-only": True,
        "file": {"driver": "file", "filename": path, "read-only": True},
    }
    assert seed["read-only"] is True


def test_a_qcow2_base_ends_the_chain() -> None:
    backing = blocks(LAUNCH)[0]["backing"]
    assert isinstance(backing, dict)
    assert backing["backing"] is None


def test_no_path_of_the_vms_folder_is_in_a_socket_option() -> None:
    words = arguments(replace(LAUNCH, folder="/" + "x" * 300))
    assert not [word for word in words if word.startswith("socket") and "xxx" in word]


def test_an_id_that_is_no_uuid_gives_no_uuid() -> None:
    assert "-uuid" not in arguments(replace(LAUNCH, machine=replace(MACHINE, vm_id="vm-1")))


def test_arm_has_no_bios() -> None:
    assert needs_uefi(ARM)
    assert not needs_uefi(MACHINE)
    assert needs_uefi(replace(MACHINE, firmware=Firmware.UEFI))
