"""What a VM is made of beside its size: bridges, processors, devices, and a disc that keeps its image."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from image_library.controlplane.services.deletions import ImageDeletion
from image_library.domain.errors import (
    ImageInUse,
    ImageNotReady,
    InvalidRequest,
    PreflightFailed,
    UnknownImage,
)
from image_library.domain.guest_hardware import Devices
from image_library.domain.image import Image, ImageFormat, ImagePhase
from image_library.domain.network_wish import NetworkWish, NicWish
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.preflight import Severity
from image_library.domain.processors import CpuModel
from image_library.domain.vm_wish import DiskWish
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, a_copy, a_node, a_ready_image
from tests.fakes.control_vms import VmPlane, a_wish

LINUX = OsInfo(
    family=OsFamily.LINUX, distribution="debian", version="12", architecture="x86_64", default_user="debian"
)
WINDOWS = OsInfo(family=OsFamily.WINDOWS, architecture="x86_64")
EL10 = replace(LINUX, distribution="rocky", version="10.1")


@pytest.fixture
async def plane() -> AsyncGenerator[VmPlane]:
    made = VmPlane()
    await made.know(a_node(), an_image(), a_disc())
    yield made
    await made.close()


def an_image(image_id: str = "image-1", **changes: Any) -> Image:
    facts: dict[str, Any] = {"name": "golden", "os": LINUX, "virtual_size_bytes": 3 << 30}
    return a_ready_image(image_id, **{**facts, **changes})


def a_disc(**changes: Any) -> Image:
    facts: dict[str, Any] = {"name": "virtio-win", "format": ImageFormat.ISO, "digest": OTHER_DIGEST}
    return a_ready_image("image-9", **{**facts, **changes})


def asked(**changes: Any) -> Any:
    facts: dict[str, Any] = {"disk": DiskWish(image="image-1"), **changes}
    return a_wish(**facts)


def on_bridges(*names: str) -> NetworkWish:
    return NetworkWish(nics=tuple(NicWish(bridge=name) for name in names))


async def red(plane: VmPlane, **changes: Any) -> list[str]:
    found = await plane.vms.preflight(asked(**changes))
    return [finding.code for finding in found if finding.severity is Severity.RED]


# The disc


async def test_the_node_gets_the_disc_and_its_image_stays_because_of_it(plane: VmPlane) -> None:
    vm = await plane.vms.create(asked(driver_iso="virtio-win"))
    assert (vm.driver_image_id, vm.driver_digest) == ("image-9", OTHER_DIGEST)
    assert plane.node_vms.orders[vm.id].driver_digest == OTHER_DIGEST
    for flatten in (False, True):
        with pytest.raises(ImageInUse, match="disc with drivers of the VM") as refused:
            await plane.deletions.delete(ImageDeletion(name="image-9", flatten=flatten))
        assert "--cascade" not in refused.value.remedy
    async with plane.database.read() as records:
        assert [user.id for user in await records.vms.using("image-9")] == [vm.id]


async def test_a_disc_that_nothing_needs_any_more_can_go(plane: VmPlane) -> None:
    vm = await plane.vms.create(asked(driver_iso="image-9"))
    await plane.records.remove(vm.id)
    await plane.deletions.delete(ImageDeletion(name="image-9"))
    with pytest.raises(UnknownImage):
        await plane.images.get("image-9")


@pytest.mark.parametrize(
    ("name", "disc", "error"),
    [
        ("nothing", a_disc(), UnknownImage),
        ("image-1", a_disc(), InvalidRequest),
        ("image-9", a_disc(phase=ImagePhase.DOWNLOADING, placements=()), ImageNotReady),
        ("image-9", a_disc(digest=""), ImageNotReady),
        ("image-9", a_disc(placements=(a_copy("node-7"),)), ImageNotReady),
        ("image-9", a_disc(project_id="others"), UnknownImage),
        # A catalog entry of which there is no image yet.
        ("debian-12", a_disc(), ImageNotReady),
    ],
)
async def test_a_disc_that_cannot_be_given_is_told_before_anything_is_made(
    plane: VmPlane, name: str, disc: Image, error: type[Exception]
) -> None:
    await plane.know(disc)
    with pytest.raises(error):
        await plane.vms.create(asked(driver_iso=name))
    assert plane.node_vms.orders == {}
    async with plane.database.read() as records:
        assert await records.vms.on_node("node-1") == ()


async def test_a_node_that_has_the_disc_comes_first(plane: VmPlane) -> None:
    copies = (a_copy("node-1"), a_copy("node-2"))
    await plane.know(a_node("node-2"), an_image(placements=copies), a_disc(placements=copies[1:]))
    vm = await plane.vms.create(asked(driver_iso="virtio-win"))
    assert vm.node_id == "node-2"


# Bridges


async def test_each_card_is_on_its_bridge(plane: VmPlane) -> None:
    vm = await plane.vms.create(asked(network=on_bridges("", "br0", "")))
    assert vm.bridges == ("", "br0")
    assert plane.node_vms.orders[vm.id].bridges == ("", "br0")
    with pytest.raises(InvalidRequest, match="bridge"):
        await plane.vms.create(asked(name="other", network=on_bridges("br 0")))


async def test_a_bridge_that_no_node_lets_vms_onto_is_red(plane: VmPlane) -> None:
    await plane.know(a_node(capabilities=("basic", "bridge:br1")))
    assert await red(plane, network=on_bridges("br0", "br1")) == ["bridge.missing"]
    with pytest.raises(PreflightFailed, match="'br0'"):
        await plane.vms.create(asked(network=on_bridges("br0")))
    assert await red(plane, network=on_bridges("br1")) == []


async def test_a_vm_goes_where_its_bridge_is(plane: VmPlane) -> None:
    copies = (a_copy("node-1"), a_copy("node-2"))
    await plane.know(
        a_node(capabilities=("basic",), disk_total_bytes=1 << 50),
        a_node("node-2", capabilities=("basic", "bridge:br0")),
        an_image(placements=copies),
    )
    assert (await plane.vms.create(asked(network=on_bridges("br0")))).node_id == "node-2"


async def test_an_image_is_fetched_to_the_node_that_has_the_bridge(plane: VmPlane) -> None:
    await plane.know(
        a_node(capabilities=("basic",), disk_total_bytes=1 << 50),
        a_node("node-2", capabilities=("basic", "bridge:br0")),
    )
    vm = await plane.vms.create(
        asked(disk=DiskWish(image="debian-12"), network=on_bridges("br0"), start_on_create=False)
    )
    assert (vm.node_id, vm.job_id != "") == ("node-2", True)


# Processors and devices


async def test_a_model_below_what_the_system_is_built_for_is_red(plane: VmPlane) -> None:
    await plane.know(an_image(os=EL10))
    assert await red(plane, cpu_model="x86-64-v2") == ["cpu.unfit"]
    assert await red(plane, cpu_model="x86-64-v3") == await red(plane) == []
    vm = await plane.vms.create(asked(cpu_model="x86-64-v3"))
    assert plane.node_vms.orders[vm.id].cpu_model is CpuModel.V3
    with pytest.raises(InvalidRequest, match="processor model"):
        await plane.vms.create(asked(name="other", cpu_model="486"))


async def test_a_node_whose_processor_is_too_old_is_red(plane: VmPlane) -> None:
    await plane.know(a_node(capabilities=("basic", "x86-64-v1", "x86-64-v2")), an_image(os=EL10))
    assert await red(plane) == ["cpu.missing"]
    await plane.know(an_image(os=WINDOWS))
    assert await red(plane, cpu_model="x86-64-v3") == ["cpu.missing"]
    assert await red(plane, cpu_model="x86-64-v2") == []


@pytest.mark.parametrize(("devices", "given"), [("", Devices.EMULATED), ("virtio", Devices.VIRTIO)])
async def test_windows_is_told_apart_and_gets_its_devices(
    plane: VmPlane, devices: str, given: Devices
) -> None:
    await plane.know(an_image(os=WINDOWS))
    vm = await plane.vms.create(asked(devices=devices))
    order = plane.node_vms.orders[vm.id]
    assert (order.guest_os, order.devices) == ("windows", given)


async def test_windows_on_virtio_without_a_disc_is_doubted(plane: VmPlane) -> None:
    await plane.know(an_image(os=WINDOWS))

    async def doubted(**changes: Any) -> bool:
        found = await plane.vms.preflight(asked(**changes))
        return "windows.drivers" in [finding.code for finding in found]

    assert await doubted(devices="virtio")
    assert not await doubted(devices="virtio", driver_iso="virtio-win")
    assert not await doubted()


async def test_anything_else_is_as_it_always_was(plane: VmPlane) -> None:
    order = plane.node_vms.orders[(await plane.vms.create(asked())).id]
    assert (order.guest_os, order.devices, order.cpu_model) == ("", Devices.VIRTIO, CpuModel.USUAL)
    assert (order.bridges, order.driver_digest, order.image_digest) == ((), "", DIGEST)
