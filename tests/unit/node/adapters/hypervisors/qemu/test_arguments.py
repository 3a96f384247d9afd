import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from image_library.domain.errors import ProcessorUnfit
from image_library.domain.guest_hardware import Devices
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Accelerator, Backing, Firmware, Machine
from image_library.domain.processors import CpuModel
from image_library.node.adapters.hypervisors.qemu.arguments import Launch, arguments, needs_uefi
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles
from image_library.node.adapters.hypervisors.qemu.processors import judge_processor, processor

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
WINDOWS = replace(
    MACHINE,
    guest_os="windows",
    devices=Devices.EMULATED,
    drivers=Backing(path="/data/blobs/sha256/cd/cde", format=ImageFormat.RAW, digest="sha256:cde"),
)
BRIDGED = replace(
    MACHINE,
    more_mac_addresses=("52:54:00:12:34:57", "52:54:00:12:34:58"),
    bridges=("br0", "", "br1"),
    cpu_model=CpuModel.V3,
)
V2 = "qemu64,cx16=on,lahf_lm=on,popcnt=on,pni=on,sse4.1=on,sse4.2=on,ssse3=on,svm=off,enforce"
CASES = {
    "x86_64-kvm": LAUNCH,
    "x86_64-tcg-isolated": replace(LAUNCH, accelerator=Accelerator.TCG, isolated=True),
    "x86_64-door": replace(LAUNCH, machine=replace(MACHINE, door=True), isolated=True),
    "x86_64-served": replace(
        LAUNCH,
        machine=replace(MACHINE, door=True, seed_served=True),
        serial="ds=nocloud;dsmode=net;s=http://10.0.2.100/t0ken/",
    ),
    "x86_64-uefi": replace(LAUNCH, machine=replace(MACHINE, firmware=Firmware.UEFI), uefi=UEFI),
    "x86_64-secure-tpm": replace(
        LAUNCH, machine=replace(MACHINE, firmware=Firmware.UEFI_SECURE_BOOT, tpm=True), uefi=UEFI, tpm=9
    ),
    "x86_64-windows-kvm": replace(LAUNCH, machine=WINDOWS),
    "x86_64-windows-virtio-tcg": replace(
        LAUNCH, machine=replace(WINDOWS, devices=Devices.VIRTIO), accelerator=Accelerator.TCG
    ),
    "x86_64-bridges": replace(LAUNCH, machine=BRIDGED, taps={0: 11, 2: 12}),
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


def test_a_comma_in_the_serial_number_begins_no_other_option() -> None:
    words = arguments(replace(LAUNCH, serial="ds=nocloud;s=http://x/,uuid=1/"))
    assert words[words.index("-smbios") + 1] == "type=1,serial=ds=nocloud;s=http://x/,,uuid=1/"


def test_the_serial_number_is_not_printed() -> None:
    assert "t0ken" not in repr(CASES["x86_64-served"])


def test_an_id_that_is_no_uuid_gives_no_uuid() -> None:
    assert "-uuid" not in arguments(replace(LAUNCH, machine=replace(MACHINE, vm_id="vm-1")))


def test_arm_has_no_bios() -> None:
    assert needs_uefi(ARM)
    assert not needs_uefi(MACHINE)
    assert needs_uefi(replace(MACHINE, firmware=Firmware.UEFI))


@pytest.mark.parametrize(
    ("model", "accelerator", "shown"),
    [
        (CpuModel.USUAL, Accelerator.KVM, "host"),
        (CpuModel.HOST, Accelerator.KVM, "host"),
        (CpuModel.MAX, Accelerator.KVM, "max"),
        (CpuModel.MAX, Accelerator.TCG, "max,la57=off"),
        (CpuModel.V2, Accelerator.TCG, V2),
    ],
)
def test_each_model_is_shown(model: CpuModel, accelerator: Accelerator, shown: str) -> None:
    assert processor(replace(MACHINE, cpu_model=model), accelerator) == shown


def test_a_model_that_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ProcessorUnfit, match="KVM"):
        judge_processor(replace(MACHINE, cpu_model=CpuModel.HOST), Accelerator.TCG)
    with pytest.raises(ProcessorUnfit, match="aarch64"):
        judge_processor(replace(ARM, cpu_model=CpuModel.V2), Accelerator.KVM)
    judge_processor(replace(MACHINE, cpu_model=CpuModel.V3), Accelerator.TCG)


def test_windows_is_told_of_its_hypervisor_with_kvm_only() -> None:
    assert "hv_relaxed=on" in processor(WINDOWS, Accelerator.KVM)
    assert "hv_" not in processor(WINDOWS, Accelerator.TCG)
    assert "hv_" not in processor(MACHINE, Accelerator.KVM)


def test_arm_gives_windows_the_devices_that_it_has() -> None:
    words = " ".join(arguments(replace(LAUNCH, machine=replace(ARM, guest_os="windows"), uefi=UEFI)))
    assert "virtio-blk-pci" in words
    assert "ide-" not in words
    assert "-rtc base=localtime" in words
