from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.errors import HypervisorFailed, PortTaken
from image_library.domain.guest_hardware import Devices
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Accelerator, Backing, Firmware, Machine
from image_library.domain.processors import CpuModel
from image_library.node.adapters.hypervisors.libvirt.domain_xml import Definition, domain_xml, uuid_of
from image_library.node.adapters.hypervisors.libvirt.refusals import refusal
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles

GOLDEN = Path(__file__).parents[5] / "data/libvirt"
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
DEFINITION = Definition(
    machine=MACHINE,
    folder="/data/vms/one",
    emulator="/usr/bin/qemu-system-x86_64",
    accelerator=Accelerator.KVM,
    ssh_port=40001,
    owner=(0, 0),
)
UEFI = UefiFiles(code="/fw/code.fd", variables="/fw/vars.fd")
SECURE = replace(MACHINE, firmware=Firmware.UEFI_SECURE_BOOT, tpm=True)
ARM = replace(MACHINE, architecture="aarch64", backing=replace(MACHINE.backing, format=ImageFormat.RAW))
CASES = {
    "x86_64-kvm": DEFINITION,
    "x86_64-session-tcg": replace(
        DEFINITION,
        owner=None,
        accelerator=Accelerator.TCG,
        isolated=True,
        machine=replace(MACHINE, flat=True, more_mac_addresses=("52:54:00:12:34:57",)),
    ),
    "x86_64-secure-tpm": replace(DEFINITION, machine=SECURE, uefi=UEFI),
    "x86_64-windows-kvm": replace(
        DEFINITION,
        machine=replace(
            MACHINE,
            guest_os="windows",
            devices=Devices.EMULATED,
            drivers=Backing(path="/data/blobs/sha256/cd/cde", format=ImageFormat.RAW),
        ),
    ),
    "x86_64-bridges": replace(
        DEFINITION,
        machine=replace(
            MACHINE,
            more_mac_addresses=("52:54:00:12:34:57",),
            bridges=("br0",),
            cpu_model=CpuModel.V3,
        ),
    ),
    "x86_64-served": replace(
        DEFINITION,
        machine=replace(MACHINE, door=True, seed_served=True),
        serial="ds=nocloud;dsmode=net;s=http://10.0.2.100/t0ken/",
    ),
    "aarch64-tcg": replace(
        DEFINITION,
        machine=ARM,
        uefi=UEFI,
        accelerator=Accelerator.TCG,
        emulator="/usr/bin/qemu-system-aarch64",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_is_what_the_golden_file_shows(case: str) -> None:
    assert domain_xml(CASES[case]) == (GOLDEN / f"{case}.xml").read_text()


def test_what_xml_cannot_hold_is_refused() -> None:
    with pytest.raises(HypervisorFailed, match="cannot hold"):
        domain_xml(replace(DEFINITION, folder="/data/\x01"))


def test_words_of_xml_in_a_path_are_only_characters() -> None:
    text = domain_xml(replace(DEFINITION, folder="/data/'/><devices>&amp;\"<!--"))
    assert text.count("<devices>") == 1


def test_an_id_that_is_no_uuid_has_always_the_same() -> None:
    assert uuid_of(MACHINE.vm_id) == MACHINE.vm_id
    assert uuid_of("vm-1") == uuid_of("vm-1") != uuid_of("vm-2")


def test_a_refusal_is_qemus_own_word() -> None:
    said = (
        "internal error: qemu unexpectedly closed the monitor: 2026-01-02T03:04:05.678901Z "
        "qemu-system-x86_64: -netdev user,id=net: Could not set up host forwarding rule 'tcp:127.0.0.1:1-:22'"
    )
    assert isinstance(refusal(said), PortTaken)
    refused = refusal("internal error: no luck")
    assert isinstance(refused, HypervisorFailed)
    assert "no luck" in refused.message
