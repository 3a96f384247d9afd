"""Devices, processors and bridges: what rows say, and what is refused."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_library.domain.bridges import bridge_of, network_id_of, trimmed
from image_library.domain.capabilities import told, wanted_by
from image_library.domain.errors import InvalidRequest
from image_library.domain.guest_hardware import Card, Devices, Disc, Disk, devices_for, hardware_of
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Firmware, Machine
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.processors import CpuModel, cpu_model, level_needed, level_of_flags
from tests.support.sizes import size

MACHINE = Machine(
    vm_id="vm-1",
    name="web",
    architecture="x86_64",
    cores=1,
    memory_mib=512,
    firmware=Firmware.BIOS,
    mac_address="52:54:00:00:00:01",
    more_mac_addresses=("52:54:00:00:00:02",),
    disk_bytes=1 << 30,
    backing=Backing(path="/x", format=ImageFormat.QCOW2, digest="sha256:a"),
)
V2 = ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3")
V3 = (*V2, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave")


def test_windows_gets_what_it_knows_without_drivers_and_others_what_is_fast() -> None:
    windows = hardware_of("x86_64", "windows", devices_for("", OsFamily.WINDOWS))
    assert (windows.disk, windows.card, windows.disc) == (Disk.SATA, Card.INTEL, Disc.SATA_CDROM)
    assert (windows.local_time, windows.hyperv) == (True, True)
    fast = hardware_of("x86_64", "windows", devices_for("virtio", OsFamily.WINDOWS))
    # Setup looks for its answers on discs whatever the disk is.
    assert (fast.disk, fast.card, fast.disc) == (Disk.VIRTIO, Card.VIRTIO, Disc.SATA_CDROM)
    linux = hardware_of("x86_64", "", devices_for("", OsFamily.LINUX))
    assert (linux.disk, linux.card, linux.disc) == (Disk.VIRTIO, Card.VIRTIO, Disc.DISK)
    assert (linux.local_time, linux.hyperv) == (False, False)
    assert hardware_of("x86_64", "", Devices.EMULATED).disk is Disk.SATA
    assert hardware_of("aarch64", "windows", Devices.EMULATED).disk is Disk.VIRTIO


@pytest.mark.parametrize("word", ["floppy", "VIRTIO", "virtio "])
def test_other_devices_are_refused(word: str) -> None:
    with pytest.raises(InvalidRequest):
        devices_for(word, OsFamily.UNKNOWN)


@pytest.mark.parametrize(
    ("distribution", "version", "architecture", "level"),
    [
        ("rhel", "8.10", "x86_64", 1),
        ("rhel", "9.4", "x86_64", 2),
        ("rocky", "10.1", "x86_64", 3),
        ("centos", "10", "", 3),
        ("almalinux", "11", "x86_64", 3),
        ("almalinux", "10.0", "aarch64", 1),
        ("debian", "12", "x86_64", 1),
        ("rhel", "", "x86_64", 1),
        ("rhel", "rolling", "x86_64", 1),
    ],
)
def test_the_level_that_a_system_is_built_for(
    distribution: str, version: str, architecture: str, level: int
) -> None:
    os = OsInfo(distribution=distribution, version=version, architecture=architecture)
    assert level_needed(os) == level


def test_the_level_of_a_processor() -> None:
    assert level_of_flags(()) == 1
    assert level_of_flags(V2) == 2
    assert level_of_flags(V3) == 3
    # All of the third, but not all of the second.
    assert level_of_flags(set(V3) - {"popcnt"}) == 1


def test_models_by_their_words() -> None:
    assert cpu_model("") is CpuModel.USUAL
    assert cpu_model("x86-64-v3") is CpuModel.V3
    for word in ("486", "host,+vmx", "X86-64-V3"):
        with pytest.raises(InvalidRequest):
            cpu_model(word)


def test_a_node_that_says_nothing_of_its_processor_is_not_doubted() -> None:
    wanted = wanted_by(Firmware.BIOS, tpm=False, cpu_level=3)
    assert wanted == {"x86-64-v2", "x86-64-v3"}
    assert wanted <= told(("basic",))
    assert not wanted <= told(("basic", "x86-64-v1", "x86-64-v2"))
    assert wanted_by(Firmware.BIOS, tpm=False, bridges=("", "br0"), cpu_level=1) == {"bridge:br0"}


@pytest.mark.parametrize("name", ["br0", "br-lan", "vmbr0.10", "B_1", "a" * 15])
def test_a_bridge_is_named_by_its_id(name: str) -> None:
    assert bridge_of(network_id_of(name)) == name


@pytest.mark.parametrize("name", ["", "a" * 16, "-br", "br 0", "br0,script=/x", "../x", "br0\n", "bré"])
def test_what_cannot_be_a_bridges_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        bridge_of(f"bridge:{name}")


@settings(max_examples=size(10, 2_000))
@given(names=st.lists(st.text(max_size=20) | st.text("aZ09._-/ ,\n", max_size=20), min_size=50, max_size=50))
def test_any_bridge_is_said_without_quoting_or_refused(names: list[str]) -> None:
    for name in names:
        try:
            bridge = bridge_of(f"bridge:{name}")
        except InvalidRequest:
            continue
        assert bridge == name
        assert 0 < len(name) < 16
        assert set(name) <= set(string.ascii_letters + string.digits + "._-")


def test_other_networks_ids_name_no_bridge() -> None:
    assert bridge_of("default") == bridge_of("") == ""
    assert trimmed(("", "br0", "", "")) == ("", "br0")
    assert trimmed(("",)) == ()


def test_ssh_is_forwarded_to_the_first_card_on_no_bridge() -> None:
    assert [card.takes_ssh for card in MACHINE.cards] == [True, False]
    assert [card.takes_ssh for card in replace(MACHINE, bridges=("br0",)).cards] == [False, True]
    both = replace(MACHINE, bridges=("br0", "br1"))
    assert not both.forwards_ssh
    assert [card.bridge for card in both.cards] == ["br0", "br1"]


def test_a_machine_needs_its_disc_also_once_its_disk_is_its_own() -> None:
    disc = Backing(path="/d", format=ImageFormat.RAW, digest="sha256:d")
    assert MACHINE.images == ("sha256:a",)
    assert replace(MACHINE, drivers=disc).images == ("sha256:a", "sha256:d")
    assert replace(MACHINE, drivers=disc, flat=True).images == ("sha256:d",)
