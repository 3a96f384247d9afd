"""Templates as the control plane plans them: names, versions, lineage, and what a node is believed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from image_library.controlplane.services.captures import Captures, CaptureWish
from image_library.controlplane.services.vms import Deletion
from image_library.domain.errors import (
    InvalidName,
    InvalidRequest,
    NameTaken,
    UnknownVm,
    VmNotRunning,
    VmRunning,
)
from image_library.domain.image import ImagePhase
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.lineage import CapturedFrom, ConvertedFrom
from image_library.domain.os_info import OsInfo
from image_library.domain.store import PublishedImage
from image_library.domain.trust import TrustLevel
from image_library.domain.vm import PowerState, Vm
from tests.fakes.control_clock import settle
from tests.fakes.control_values import (
    DIGEST,
    OTHER_DIGEST,
    a_catalog,
    a_node,
    a_published_image,
    a_ready_image,
    an_evidence,
)
from tests.fakes.control_vms import VmPlane, a_wish

DEBIAN = OsInfo(distribution="debian", architecture="x86_64", default_user="debian")


class Site:
    def __init__(self, plane: VmPlane, vm: Vm) -> None:
        self.plane = plane
        self.vm = vm
        self.captures = Captures(
            database=plane.database,
            catalog=a_catalog(),
            vms=plane.records,
            nodes=plane.node_vms,
            runs=plane.runs,
            clock=plane.clock,
            new_id=plane.new_id,
        )

    async def begun(self, **wish: Any) -> Job:
        job = await self.captures.start(CaptureWish(vm="web", **wish))
        await settle()
        return job

    async def ended(self, job: Job, published: PublishedImage) -> Job:
        self.plane.nodes.say(job.id, state=JobState.READY, published=published)
        await settle()
        return await self.plane.stored_job(job.id)


def captured(digest: str = OTHER_DIGEST, **evidence: Any) -> PublishedImage:
    said: dict[str, Any] = {
        "level": TrustLevel.UNVERIFIED,
        "algorithm": "sha256",
        "expected": "",
        "actual": digest.removeprefix("sha256:"),
    }
    source = ConvertedFrom(
        format="qcow2",
        digest=DIGEST,
        size_bytes=1000,
        captured=CapturedFrom(vm_id="v", vm_name="web", cleaned=True, left=("passwords",)),
    )
    published = a_published_image(digest=digest, evidence=an_evidence(**{**said, **evidence}))
    return replace(published, converted_from=source)


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    plane = VmPlane()
    await plane.know(a_node())
    await plane.know(a_ready_image("golden", os=DEBIAN, virtual_size_bytes=1 << 30))
    vm = await plane.vms.create(a_wish(image="golden", start_on_create=False))
    await settle()
    yield Site(plane, vm)
    await plane.close()


async def test_the_job_tells_the_vm_and_the_image_below_it(site: Site) -> None:
    job = await site.begun(description="With nginx.")
    image, order = await site.plane.image(job.image_id), site.plane.nodes.journal[job.id].order
    assert (job.kind, job.image_name, job.node_id) == (JobKind.CAPTURE, "web-template", "node-1")
    assert (order.capture_vm, order.capture_clean, order.capture_force) == (site.vm.id, True, False)
    assert (order.unverified, order.url, str(order.wanted)) == (True, "", "qcow2")
    assert (image.os, image.description) == (DEBIAN, "With nginx.")
    assert image.captured == CapturedFrom(vm_id=site.vm.id, vm_name="web")
    assert image.converted_from
    assert image.converted_from.digest == DIGEST
    steps = (await site.plane.downloads.explain(job.id)).steps
    assert "Next: Look what of the VM's own is on its disk." in steps
    assert not [step for step in steps if "Compare" in step or "Fetch" in step]
    assert await site.begun() == job


async def test_what_the_node_measured_is_believed_and_no_more(site: Site) -> None:
    job = await site.ended(await site.begun(), captured())
    image = await site.plane.image(job.image_id)
    assert (image.phase, image.digest, image.trust) == (
        ImagePhase.READY,
        OTHER_DIGEST,
        TrustLevel.UNVERIFIED,
    )
    assert image.captured
    assert (image.captured.cleaned, image.captured.left) == (True, ("passwords",))


@pytest.mark.parametrize(
    "claim", [{"level": TrustLevel.PINNED}, {"actual": DIGEST.removeprefix("sha256:")}, {"expected": "ab"}]
)
async def test_a_node_that_claims_more_is_not_believed(site: Site, claim: dict[str, Any]) -> None:
    job = await site.ended(await site.begun(), captured(**claim))
    assert job.state is JobState.FAILED
    assert job.failure
    assert job.failure.code == "verify.digest_mismatch"


async def test_a_templates_name_gets_its_next_version_and_no_other_images(site: Site) -> None:
    first = await site.ended(await site.begun(name="base"), captured())
    second = await site.begun(name="base")
    assert second.image_id != first.image_id
    assert (await site.plane.image(first.image_id)).current
    # One that came to nothing is no version.
    site.plane.nodes.say(second.id, state=JobState.FAILED)
    await settle()
    third = await site.begun(name="base")
    image = await site.plane.image(third.image_id)
    assert (image.version, image.current) == (2, False)
    await site.ended(third, captured("sha256:" + "c" * 64))
    assert (await site.plane.image(third.image_id)).current
    with pytest.raises(NameTaken):
        await site.begun(name="golden")


async def test_bad_wishes_leave_nothing(site: Site) -> None:
    for wish, error in (
        (CaptureWish(vm="nope"), UnknownVm),
        (CaptureWish(vm="web", name="-"), InvalidName),
        (CaptureWish(vm="web", compression="lzma"), InvalidRequest),
    ):
        with pytest.raises(error):
            await site.captures.start(wish)
    await site.plane.vms.start("web")
    await settle()
    with pytest.raises(VmRunning, match="'web' is not stopped") as refused:
        await site.begun()
    assert "--frozen" in refused.value.remedy
    assert site.plane.nodes.journal == {}


async def test_one_that_runs_is_captured_where_it_may_be_frozen(site: Site) -> None:
    with pytest.raises(VmNotRunning):
        await site.begun(in_guest=True)
    with pytest.raises(InvalidRequest):
        await site.begun(in_guest=True, clean=False)
    await site.plane.vms.start("web")
    await settle()
    for name, wish, ordered in (
        ("a", {"frozen": True}, (True, False)),
        ("b", {"in_guest": True}, (True, True)),
    ):
        job = await site.begun(name=name, **wish)
        order = site.plane.nodes.journal[job.id].order
        assert (order.capture_frozen, order.capture_in_guest) == ordered
        steps = (await site.plane.downloads.explain(job.id)).steps
        assert [step for step in steps if "frozen if it runs" in step]
        assert bool([step for step in steps if "agent remove" in step]) is ordered[1]


async def test_the_template_outlives_its_vm(site: Site) -> None:
    job = await site.ended(await site.begun(), captured())
    await site.plane.vms.delete("web", Deletion(force=True))
    made = await site.plane.vms.create(a_wish("two", image="web-template"))
    assert (made.image_digest, made.ssh_user) == (OTHER_DIGEST, "debian")
    assert made.report.state is PowerState.RUNNING
    assert (await site.plane.image(job.image_id)).captured
