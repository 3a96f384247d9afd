from dataclasses import replace

import pytest

from image_library.domain.errors import InvalidRequest
from image_library.domain.machine import (
    MAX_CORES,
    MAX_DISK_GIB,
    MAX_DOCUMENT_BYTES,
    MAX_MEMORY_MIB,
    MIN_MEMORY_MIB,
    DiskOrder,
    Firmware,
    MachineOrder,
    mac_for,
    valid_documents,
    valid_mac,
    valid_size,
    valid_vm_id,
)
from image_library.domain.vm import SeedDocuments

ORDER = MachineOrder(
    vm_id="vm-1",
    name="one",
    architecture="x86_64",
    cores=1,
    memory_mib=512,
    firmware=Firmware.BIOS,
    disk=DiskOrder(),
    seed=SeedDocuments(user_data="", meta_data=""),
)


@pytest.mark.parametrize("vm_id", ["a", "0b8d2c0e-4b9f-4c5e-9d0e-0d9d3a1f2b3c", "x" * 64])
def test_takes_ids_that_name_a_folder(vm_id: str) -> None:
    assert valid_vm_id(vm_id) == vm_id


@pytest.mark.parametrize("vm_id", ["", ".", "..", "a/b", "-a", "A", "a\n", "a\0", "x" * 65, "json:{}", "a,b"])
def test_refuses_ids_that_could_name_anything_else(vm_id: str) -> None:
    with pytest.raises(InvalidRequest):
        valid_vm_id(vm_id)


def test_a_derived_address_is_a_valid_one_and_always_the_same() -> None:
    assert valid_mac(mac_for("vm-1")) == mac_for("vm-1") != mac_for("vm-2")


@pytest.mark.parametrize("address", ["", "52:54:00:12:34", "01:00:5e:00:00:01", "52:54:00:12:34:56,a=b"])
def test_refuses_what_is_no_cards_address(address: str) -> None:
    with pytest.raises(InvalidRequest):
        valid_mac(address)


@pytest.mark.parametrize("cores", [1, MAX_CORES])
@pytest.mark.parametrize("memory", [MIN_MEMORY_MIB, MAX_MEMORY_MIB])
def test_takes_sizes_up_to_the_limits(cores: int, memory: int) -> None:
    valid_size(replace(ORDER, cores=cores, memory_mib=memory))


@pytest.mark.parametrize("changes", [{"cores": 0}, {"cores": 256}, {"memory_mib": 63}])
def test_refuses_sizes_beyond_the_limits(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest):
        valid_size(replace(ORDER, **changes))


def test_limits_the_disk() -> None:
    valid_size(replace(ORDER, disk=DiskOrder(size_gib=MAX_DISK_GIB)))
    with pytest.raises(InvalidRequest):
        valid_size(replace(ORDER, disk=DiskOrder(size_gib=MAX_DISK_GIB + 1)))


def test_limits_each_document() -> None:
    valid_documents(SeedDocuments(user_data="x" * MAX_DOCUMENT_BYTES, meta_data=""))
    with pytest.raises(InvalidRequest, match="user-data"):
        valid_documents(SeedDocuments(user_data="x" * (MAX_DOCUMENT_BYTES + 1), meta_data=""))
