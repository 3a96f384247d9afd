"""VMs are made only from images that are proved as far as their project demands."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from image_library.domain.errors import ImageTrustTooLow
from image_library.domain.image import Visibility
from image_library.domain.job import JobState
from image_library.domain.os_info import OsInfo
from image_library.domain.trust import TrustLevel
from image_library.domain.trust_policy import TrustPolicy
from image_library.domain.vm import PowerState
from tests.fakes.control_clock import settle
from tests.fakes.control_values import a_node, a_published_image, a_ready_image, an_evidence
from tests.fakes.control_vms import VmPlane, a_wish

STRICT = TrustPolicy.parse(["unverified", "finance=checksum"])


@pytest.fixture
async def plane() -> AsyncGenerator[VmPlane]:
    made = VmPlane(trust=STRICT)
    await made.know(a_node())
    yield made
    await made.close()


async def know(plane: VmPlane, level: TrustLevel) -> None:
    image = a_ready_image(
        name="debian-12",
        catalog_id="debian-12",
        os=OsInfo(distribution="debian", architecture="x86_64", default_user="debian"),
        visibility=Visibility.PUBLIC,
        evidence=an_evidence(level=level),
    )
    await plane.know(image)


async def test_an_image_that_is_proved_too_little_makes_no_vm(plane: VmPlane) -> None:
    await know(plane, TrustLevel.UNVERIFIED)
    with pytest.raises(ImageTrustTooLow) as refused:
        await plane.vms.create(a_wish(project_id="finance"))
    assert "is unverified" in refused.value.message
    assert "project 'finance' demands checksum" in refused.value.message
    async with plane.database.read() as records:
        assert await records.vms.on_node("node-1") == ()
    assert plane.node_vms.calls == []


async def test_another_project_may_take_it(plane: VmPlane) -> None:
    await know(plane, TrustLevel.UNVERIFIED)
    vm = await plane.vms.create(a_wish(project_id="lab"))
    assert vm.report.state is PowerState.RUNNING


async def test_one_that_is_proved_enough_is_taken(plane: VmPlane) -> None:
    await know(plane, TrustLevel.CHECKSUM)
    vm = await plane.vms.create(a_wish(project_id="finance"))
    assert vm.report.state is PowerState.RUNNING


async def test_a_download_that_could_never_prove_enough_is_not_begun() -> None:
    plane = VmPlane(trust=TrustPolicy.parse(["signed"]))
    await plane.know(a_node())
    with pytest.raises(ImageTrustTooLow, match="this site demands signed"):
        await plane.vms.create(a_wish())
    await settle()
    assert not plane.nodes.journal
    await plane.close()


async def test_what_a_download_brought_is_judged_when_it_is_here(plane: VmPlane) -> None:
    vm = await plane.vms.create(a_wish(project_id="finance"))
    await settle()
    weak = a_published_image(evidence=an_evidence(level=TrustLevel.UNVERIFIED))
    plane.nodes.say(vm.job_id, state=JobState.READY, published=weak)
    await settle()
    failed = await plane.records.find(vm.id)
    assert failed.failure is not None
    assert failed.failure.code == "image.trust_too_low"
    assert plane.node_vms.calls == []
