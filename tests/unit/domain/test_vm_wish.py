"""A wish is judged field by field, and what is left out is chosen to suit the image."""

from __future__ import annotations

import pytest

from image_library.domain.errors import DiskTooSmall, InvalidRequest
from image_library.domain.image import Requirements
from image_library.domain.machine import GIB
from image_library.domain.vm_wish import (
    DiskWish,
    VmWish,
    firmware_for,
    judge,
    judge_disk_size,
    machine_size,
    tpm_for,
)


def wish(**changes: object) -> VmWish:
    facts: dict[str, object] = {"name": "web", "disks": (DiskWish(image="debian-12"),)}
    return VmWish(**{**facts, **changes})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("size_gib", "virtual", "fits"),
    [(0, 99 * GIB, True), (3, 0, True), (3, 3 * GIB, True), (3, 3 * GIB + 1, False), (2, 3 * GIB, False)],
)
def test_a_disk_is_at_least_as_large_as_its_image(size_gib: int, virtual: int, fits: bool) -> None:
    if fits:
        judge_disk_size(size_gib, virtual)
    else:
        with pytest.raises(DiskTooSmall, match=f"needs {-(-virtual // GIB)} GiB"):
            judge_disk_size(size_gib, virtual)


@pytest.mark.parametrize(
    ("asked", "known", "chosen"),
    [
        ("", (), "bios"),
        ("", ("bios", "uefi"), "bios"),
        ("", ("uefi",), "uefi"),
        ("uefi", (), "uefi"),
        ("uefi", ("bios", "uefi"), "uefi"),
        ("bios", ("bios", "uefi"), "bios"),
        ("bios", (), "bios"),
        ("uefi_secure_boot", ("bios", "uefi"), "uefi_secure_boot"),
    ],
)
def test_the_firmware_suits_the_image(asked: str, known: tuple[str, ...], chosen: str) -> None:
    assert firmware_for(wish(firmware=asked), Requirements(firmware=known)) == chosen


def test_firmware_that_the_image_cannot_boot_with_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="BIOS only"):
        firmware_for(wish(firmware="uefi"), Requirements(firmware=("bios",)))
    with pytest.raises(InvalidRequest, match="BIOS only"):
        firmware_for(wish(firmware="uefi_secure_boot"), Requirements(firmware=("bios",)))
    with pytest.raises(InvalidRequest, match="UEFI only"):
        firmware_for(wish(firmware="bios"), Requirements(firmware=("uefi",)))


def test_what_was_seen_inside_is_believed_before_what_is_said() -> None:
    assert firmware_for(wish(), Requirements(), ("uefi",)) == "uefi"
    assert firmware_for(wish(), Requirements(firmware=("bios",)), ("uefi",)) == "uefi"
    assert firmware_for(wish(), Requirements(firmware=("uefi",)), ("bios", "uefi")) == "bios"


def test_an_image_that_needs_secure_boot_or_a_tpm_gets_it_unasked() -> None:
    assert firmware_for(wish(), Requirements(secure_boot=True)) == "uefi_secure_boot"
    assert firmware_for(wish(firmware="uefi"), Requirements(secure_boot=True)) == "uefi"
    assert tpm_for(wish(), Requirements(tpm=True))
    assert tpm_for(wish(tpm=True), Requirements())
    assert not tpm_for(wish(), Requirements())


def test_the_machine_is_large_enough_for_the_image_unless_asked_otherwise() -> None:
    needs = Requirements(min_cpu=4, min_memory_mib=8192)
    assert machine_size(wish(), Requirements()).memory_mib == 2048
    assert (machine_size(wish(), needs).cores, machine_size(wish(), needs).memory_mib) == (4, 8192)
    small = machine_size(wish(cores=1, memory_mib=256), needs)
    assert (small.cores, small.memory_mib) == (1, 256)


@pytest.mark.parametrize(("cores", "memory"), [(256, 1024), (1, 63), (1, (4 << 20) + 1)])
def test_machines_that_cannot_be_made_are_refused(cores: int, memory: int) -> None:
    with pytest.raises(InvalidRequest):
        machine_size(wish(cores=cores, memory_mib=memory), Requirements())


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {f"k{n}": "v" for n in range(65)}},
        {"labels": {"": "v"}},
        {"labels": {"k" * 257: "v"}},
        {"description": "x" * 4097},
        {"disks": (DiskWish(image="a", size_gib=64 * 1024 + 1),)},
    ],
)
def test_wishes_beyond_measure_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        judge(wish(**changes))


def test_wishes_at_the_limit_are_taken() -> None:
    labels = {f"{n:0256}": "v" * 256 for n in range(64)}
    assert judge(wish(labels=labels, description="x" * 4096)) == DiskWish(image="debian-12")
