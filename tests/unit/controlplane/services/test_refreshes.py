"""Refreshes: what is newer is fetched beside the old version, and nothing changes under anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from image_library.controlplane.services.download_plan import DownloadWish
from image_library.controlplane.services.refresh_moves import RefreshResult
from image_library.controlplane.services.refreshes import RefreshWish
from image_library.domain.checksum import Digest
from image_library.domain.errors import (
    InvalidRequest,
    SourceNotFound,
    UnknownImage,
)
from image_library.domain.image import Failure, Image, ImagePhase
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import NodePhase
from image_library.domain.os_info import OsInfo
from image_library.domain.publisher import PublisherAnswer
from image_library.domain.refresh import Freshness
from image_library.domain.releases import IndexFormat, Release, ReleaseIndex, ReleasePattern
from image_library.domain.trust import TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_publishers import offered, sha512
from tests.fakes.control_refreshes import RefreshPlane
from tests.fakes.control_values import (
    NOW,
    a_catalog,
    a_copy,
    a_node,
    a_published_image,
    a_ready_image,
    a_variant,
    a_vm,
    an_entry,
    an_evidence,
)

URL = "https://example.org/debian-12-x86_64.qcow2"
DEBIAN = RefreshWish(images=("debian-12",))


def of_build(number: int, **changes: Any) -> Image:
    """The version that build ``number`` became, current unless it is said otherwise."""
    facts: dict[str, Any] = {
        "name": "debian-12",
        "version": number,
        "catalog_id": "debian-12",
        "os": OsInfo(architecture="x86_64", default_user="debian"),
        "digest": f"sha256:{number:064x}",
        "evidence": an_evidence(expected=sha512(number).hex, actual=sha512(number).hex),
        "placements": (a_copy(path=f"/images/{number}.qcow2"),),
        "created_at": NOW.replace(day=number),
    }
    return a_ready_image(f"build-{number}", **{**facts, **changes})


def released(number: int, version: str, *, published: date | None = None) -> PublisherAnswer:
    answer = offered(number)
    lasting = f"https://example.org/{version}/debian-12.qcow2"
    release = Release(version=version, url=lasting, digest=answer.digest, published=published)
    return replace(answer, release=release)


def arriving(number: int) -> dict[str, Any]:
    """What a node says when it has published build ``number``."""
    evidence = an_evidence(expected=sha512(number).hex, actual=sha512(number).hex)
    return {
        "state": JobState.READY,
        "published": a_published_image(digest=f"sha256:{number:064x}", evidence=evidence),
    }


async def refreshed(plane: RefreshPlane, wish: RefreshWish = DEBIAN) -> RefreshResult:
    (result,) = await plane.refreshes.refresh(wish)
    await settle()
    return result


async def landed(plane: RefreshPlane, result: RefreshResult, number: int) -> Job:
    assert result.job is not None
    plane.nodes.say(result.job.id, **arriving(number))
    await settle(200)
    return await plane.stored_job(result.job.id)


async def versions(plane: RefreshPlane) -> dict[int, Image]:
    async with plane.database.read() as records:
        return {i.version: i for i in await records.images.versions("debian-12", "default")}


async def pointed_at(plane: RefreshPlane) -> Image:
    return next(image for image in (await versions(plane)).values() if image.current)


@pytest.fixture
async def plane() -> AsyncGenerator[RefreshPlane]:
    made = RefreshPlane()
    yield made
    await made.close()


@pytest.fixture
async def held(plane: RefreshPlane) -> RefreshPlane:
    """Build 1 is here, and the publisher still offers it."""
    await plane.know(a_node(), of_build(1))
    plane.publishers.offer(offered(1))
    return plane


# Asking


async def test_what_the_publisher_still_offers_is_up_to_date(held: RefreshPlane) -> None:
    result = await refreshed(held)
    assert (result.report.freshness, result.job) == (Freshness.UP_TO_DATE, None)
    assert result.message == "Up to date: sha512:000000000000…."
    assert held.nodes.journal == {}


async def test_a_node_that_has_the_image_asks_and_others_stand_in(held: RefreshPlane) -> None:
    await held.know(a_node("node-0"), a_node("node-2"))
    await refreshed(held)
    assert held.publishers.asked == [("node-1", URL)]
    held.publishers.away.add("node-1")
    held.publishers.too_old.add("node-0")
    assert (await refreshed(held)).report.freshness is Freshness.UP_TO_DATE
    assert [node for node, _ in held.publishers.asked[1:]] == ["node-1", "node-0", "node-2"]


async def test_a_node_that_is_too_old_is_a_reason_and_no_failure(held: RefreshPlane) -> None:
    held.publishers.too_old.add("node-1")
    result = await refreshed(held)
    assert result.report.freshness is Freshness.UNKNOWN
    assert result.failure is not None
    assert (result.failure.code, result.message) == (
        "rpc.unimplemented",
        "It cannot be told whether there is something newer: "
        "Node node-1.example is too old to ask publishers.",
    )
    async with held.database.read() as records:
        assert await records.refreshes.findings() == ()


@pytest.mark.parametrize(
    ("phase", "says"),
    [(NodePhase.OFFLINE, "No node is ready to ask."), (NodePhase.READY, "does not answer")],
)
async def test_without_a_node_nothing_is_known(held: RefreshPlane, phase: NodePhase, says: str) -> None:
    await held.know(a_node(phase=phase))
    held.publishers.away.add("node-1")
    result = await refreshed(held)
    assert result.report.freshness is Freshness.UNKNOWN
    assert says in result.message


async def test_one_failing_publisher_is_one_result(held: RefreshPlane) -> None:
    ubuntu = of_build(1, name="ubuntu", catalog_id="ubuntu-24.04").evolve(id="u", placements=(a_copy(),))
    await held.know(ubuntu)
    held.publishers.offers[URL] = SourceNotFound("https://example.org/SHA512SUMS is not there.")
    both = await held.refreshes.refresh(RefreshWish(all=True))
    assert [r.image.name for r in both] == ["debian-12", "ubuntu"]
    assert [r.report.freshness for r in both] == [Freshness.UNKNOWN] * 2
    assert "SHA512SUMS is not there." in both[0].message
    assert both[0].failure
    assert both[0].failure.code == "import.not_found"


async def test_two_names_of_one_entry_ask_once(held: RefreshPlane) -> None:
    await held.know(of_build(1, name="second").evolve(id="second"))
    results = await held.refreshes.refresh(DEBIAN)
    assert {r.image.name for r in results} == {"debian-12", "second"}
    assert held.publishers.asked == [("node-1", URL)]


async def test_an_entry_that_left_the_catalog_cannot_be_asked_about(held: RefreshPlane) -> None:
    await held.know(of_build(1, name="old", catalog_id="debian-9").evolve(id="old"))
    result = await refreshed(held, RefreshWish(images=("old",)))
    assert "The catalog has no 'debian-9' for x86_64 any more." in result.message


@pytest.mark.parametrize("wish", [RefreshWish(), RefreshWish(images=("debian-12",), all=True)])
async def test_images_or_all_are_asked_for(held: RefreshPlane, wish: RefreshWish) -> None:
    with pytest.raises(InvalidRequest):
        await held.refreshes.refresh(wish)


async def test_what_is_not_here_cannot_be_refreshed(held: RefreshPlane) -> None:
    with pytest.raises(UnknownImage, match="has not been downloaded"):
        await held.refreshes.refresh(RefreshWish(images=("ubuntu-24.04",)))
    with pytest.raises(UnknownImage):
        await held.refreshes.refresh(RefreshWish(images=("debian-13",)))
    await held.know(a_ready_image("golden"))
    with pytest.raises(InvalidRequest, match="did not come from the catalog"):
        await held.refreshes.refresh(RefreshWish(images=("debian-12", "golden")))


async def test_an_image_that_is_still_coming_is_told_so(held: RefreshPlane) -> None:
    coming = of_build(1, name="coming", phase=ImagePhase.DOWNLOADING, digest="", placements=())
    await held.know(coming.evolve(id="coming"))
    result = await refreshed(held, RefreshWish(images=("coming",)))
    assert result.message.endswith("'coming' is not here: it is being fetched.")
    assert held.publishers.asked == []


@pytest.mark.parametrize("word", ["build-1", "debian-12@1", "DEBIAN-12", f"sha256:{1:064x}"])
async def test_any_name_of_any_version_means_the_name(held: RefreshPlane, word: str) -> None:
    await held.know(of_build(1, current=False))
    await held.know(of_build(2))
    result = await refreshed(held, RefreshWish(images=(word,), dry_run=True))
    assert result.image.id == "build-2"


# Fetching


async def test_a_newer_build_is_fetched_beside_the_old_one(held: RefreshPlane) -> None:
    held.publishers.offer(released(2, "20261123-1", published=date(2026, 11, 23)))
    result = await refreshed(held)
    assert result.report.freshness is Freshness.NEWER_AVAILABLE
    assert result.message == "Newer: 20261123-1, published 2026-11-23."
    draft = (await versions(held))[2]
    assert (draft.current, draft.release, draft.origin) == (False, "20261123-1", URL)
    assert (await pointed_at(held)).id == "build-1"
    assert result.job is not None
    order = held.nodes.journal[result.job.id].order
    assert (order.url, order.checksum_url, order.digest) == (URL, "https://example.org/SHA512SUMS", "")
    assert order.filename == "debian-12@2.qcow2"

    await landed(held, result, 2)
    old, new = (await versions(held))[1], await pointed_at(held)
    assert (new.version, new.digest, new.release, new.newer) == (2, f"sha256:{2:064x}", "20261123-1", "")
    assert (old.phase, old.digest, old.current, old.newer) == (
        ImagePhase.READY,
        f"sha256:{1:064x}",
        False,
        "",
    )
    assert (await refreshed(held)).message == "Up to date: 20261123-1, published 2026-11-23."


async def test_a_dry_run_only_says_and_notes(held: RefreshPlane) -> None:
    held.publishers.offer(released(2, "20261123-1"))
    result = await refreshed(held, replace(DEBIAN, dry_run=True))
    assert (result.report.freshness, result.job) == (Freshness.NEWER_AVAILABLE, None)
    (only,) = (await versions(held)).values()
    assert (only.newer, only.updated_at) == ("20261123-1", NOW)
    assert held.nodes.journal == {}
    (offer, _) = await held.catalog.offers()
    assert offer.asked_at == held.clock.now()
    (status, _) = await held.catalog.statuses()
    assert status.newer == "20261123-1"


async def test_two_refreshes_at_once_make_one_job(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    results = await asyncio.gather(held.refreshes.refresh(DEBIAN), held.refreshes.refresh(DEBIAN))
    first, second = (result.job for (result,) in results)
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert results[1][0].message.endswith("It is being fetched already.")
    await settle()
    assert list(held.nodes.journal) == [first.id]
    assert sorted(await versions(held)) == [1, 2]


async def test_a_build_that_is_here_already_only_gets_the_name(held: RefreshPlane) -> None:
    await held.know(of_build(2, current=False))
    held.publishers.offer(offered(2))
    result = await refreshed(held)
    assert (result.job, result.image.id) == (None, "build-2")
    assert result.message.endswith("The name points to it now.")
    assert (await pointed_at(held)).id == "build-2"
    assert held.nodes.journal == {}


async def test_a_known_build_without_a_copy_is_fetched_again(held: RefreshPlane) -> None:
    await held.know(of_build(2, current=False, placements=(), phase=ImagePhase.ERROR))
    held.publishers.offer(offered(2))
    result = await refreshed(held)
    assert result.image.id == "build-2"
    await landed(held, result, 2)
    assert (await pointed_at(held)).id == "build-2"
    assert sorted(await versions(held)) == [1, 2]


async def test_bytes_that_are_known_after_all_drop_the_draft(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    result = await refreshed(held)
    done = await landed(held, result, 1)
    assert (done.state, done.image_id) == (JobState.READY, "build-1")
    assert sorted(await versions(held)) == [1]
    assert (await pointed_at(held)).id == "build-1"


async def test_a_third_build_that_comes_instead_does_not_get_the_name_of_the_second(
    held: RefreshPlane,
) -> None:
    held.publishers.offer(released(2, "20261123-1"))
    await landed(held, await refreshed(held), 3)
    assert ((await pointed_at(held)).digest, (await pointed_at(held)).release) == (f"sha256:{3:064x}", "")


async def test_a_refresh_that_failed_is_gone_on_with_in_the_same_version(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    first = await refreshed(held)
    assert first.job is not None
    held.nodes.say(
        first.job.id, state=JobState.FAILED, failure=Failure(code="import.stalled", message="Slow.")
    )
    await settle(200)
    assert (await versions(held))[2].phase is ImagePhase.ERROR
    assert (await pointed_at(held)).id == "build-1"

    second = await refreshed(held)
    assert second.job is not None
    assert second.job.id != first.job.id
    assert second.job.image_id == first.job.image_id
    await landed(held, second, 2)
    assert (await pointed_at(held)).version == 2


async def test_a_version_that_came_to_nothing_goes_when_nothing_is_newer(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    result = await refreshed(held)
    assert result.job is not None
    await held.downloads.cancel(result.job.id)
    await settle(200)
    held.publishers.offer(offered(1))
    await refreshed(held)
    assert sorted(await versions(held)) == [1]


async def test_without_space_beside_the_old_version_nothing_is_begun(held: RefreshPlane) -> None:
    await held.know(a_node(disk_total_bytes=1 << 30, disk_used_bytes=(1 << 30) - 1000))
    held.publishers.offer(offered(2))
    result = await refreshed(held)
    assert (result.report.freshness, result.job) == (Freshness.NEWER_AVAILABLE, None)
    assert result.failure is not None
    assert result.failure.code == "storage.full"
    assert "256 MiB are needed" in result.message
    assert sorted(await versions(held)) == [1]


async def test_the_node_that_has_the_image_gets_the_newer_one(held: RefreshPlane) -> None:
    await held.know(
        a_node("node-0"),
        a_node("node-2"),
        of_build(1, placements=(a_copy("node-1", path="/a"), a_copy("node-2", path="/b"))),
    )
    held.publishers.offer(offered(2))
    result = await refreshed(held)
    assert result.job is not None
    assert result.job.node_id == "node-1"
    assert result.message.endswith("It goes to node-1.example, and from there to node-2.example.")


LASTING = "https://example.org/{build}/debian-12.qcow2"
INDEX = ReleaseIndex(
    format=IndexFormat.CHECKSUMS,
    url="https://example.org/index",
    release=ReleasePattern(LASTING),
    leads=True,
)
PINNED = a_variant(
    url=LASTING.replace("{build}", "20261101"),
    checksum_url="",
    checksum_algorithm="sha256",
    digest="01" * 32,
    index=INDEX,
)


def led(number: int) -> PublisherAnswer:
    """What the index tells of the build of that day."""
    digest = Digest(algorithm="sha256", hex=f"{number:02x}" * 32)
    url = LASTING.replace("{build}", f"202611{number:02}")
    release = Release(version=f"202611{number:02}", url=url, digest=digest)
    return PublisherAnswer(
        digest=digest, level=TrustLevel.CHECKSUM, source=INDEX.url, url=url, release=release
    )


@pytest.fixture
async def pinned() -> AsyncGenerator[RefreshPlane]:
    """The catalog names one build for ever, that one is here, and the index tells of a newer one."""
    plane = RefreshPlane(a_catalog(an_entry(variants=(PINNED,))))
    own = an_evidence(algorithm="sha256", expected="01" * 32, actual="01" * 32, source="catalog")
    await plane.know(a_node(), of_build(1, evidence=own, digest="sha256:" + "01" * 32))
    plane.publishers.offers[PINNED.url] = led(23)
    yield plane
    await plane.close()


async def test_an_index_that_leads_gives_url_and_digest_and_is_the_evidence(pinned: RefreshPlane) -> None:
    result = await refreshed(pinned)
    assert result.job is not None
    order = pinned.nodes.journal[result.job.id].order
    assert (order.url, order.checksum_url, order.digest) == (led(23).url, "", led(23).digest.hex)
    assert (order.checksum_algorithm, order.digest_source) == ("sha256", INDEX.url)
    # An old node takes every digest that it is given for the catalog's.
    proof = led(23).digest.hex
    lying = an_evidence(
        level=TrustLevel.PINNED, algorithm="sha256", expected=proof, actual=proof, source="catalog"
    )
    published = a_published_image(digest=f"sha256:{proof}", evidence=lying)
    pinned.nodes.say(result.job.id, state=JobState.READY, published=published)
    await settle(200)
    new = await pointed_at(pinned)
    assert (new.trust, new.origin, new.release) == (TrustLevel.CHECKSUM, led(23).url, "20261123")
    assert new.evidence
    assert new.evidence.source == INDEX.url

    # Another node gets the same build, not the one in the catalog.
    await pinned.know(a_node(phase=NodePhase.OFFLINE), a_node("node-2"))
    job, image = await pinned.downloads.start(DownloadWish(catalog_id="debian-12", node="node-2"))
    await settle()
    assert (image.id, pinned.nodes.journal[job.id].order.url) == (new.id, led(23).url)


async def test_a_catalog_that_is_ahead_of_what_was_heard_wins(pinned: RefreshPlane) -> None:
    await refreshed(pinned, replace(DEBIAN, dry_run=True))
    variant = replace(PINNED, url=LASTING.replace("{build}", "20261125"))
    newer = RefreshPlane(a_catalog(an_entry(variants=(variant,))), database=pinned.database)
    await newer.know(a_node(phase=NodePhase.OFFLINE), a_node("node-2"))
    job, _ = await newer.downloads.start(DownloadWish(catalog_id="debian-12", node="node-2"))
    await settle()
    order = newer.nodes.journal[job.id].order
    assert (order.url, order.digest, order.digest_source) == (variant.url, "01" * 32, "")
    await newer.close()


async def test_without_its_index_a_pinned_image_may_be_old(pinned: RefreshPlane) -> None:
    digest = Digest(algorithm="sha256", hex="01" * 32)
    answer = PublisherAnswer(
        digest=digest, level=TrustLevel.PINNED, source="catalog", url=PINNED.url
    ).without_index(INDEX, "The index was not used: it is gone.")
    pinned.publishers.offers[PINNED.url] = answer
    result = await refreshed(pinned)
    assert result.report.freshness is Freshness.UNKNOWN
    assert result.message.endswith("The index was not used: it is gone.")


# Other nodes


async def spreading(plane: RefreshPlane) -> dict[str, Job]:
    """The copies that are being made, by node."""
    async with plane.database.read() as records:
        return {job.node_id: job for job in await records.jobs.live() if job.kind is JobKind.PLACE}


def copied(number: int) -> dict[str, Any]:
    """What a node says when it has copied build ``number`` from another one."""
    digest = f"{number:064x}"
    evidence = an_evidence(algorithm="sha256", expected=digest, actual=digest, source="library")
    return {
        "state": JobState.READY,
        "published": a_published_image(digest=f"sha256:{digest}", evidence=evidence),
    }


@pytest.fixture
async def everywhere(held: RefreshPlane) -> RefreshPlane:
    """Six nodes have build 1, one of them is away, a seventh has it not; the publisher has build 2."""
    copies = tuple(a_copy(f"node-{n}", path=f"/{n}") for n in range(1, 7))
    nodes = [a_node(f"node-{n}") for n in range(1, 8)]
    nodes[5] = a_node("node-6", phase=NodePhase.OFFLINE)
    await held.know(*nodes, of_build(1, placements=copies))
    held.publishers.offer(offered(2))
    return held


async def test_the_other_nodes_get_it_from_the_first_a_few_at_a_time(everywhere: RefreshPlane) -> None:
    await landed(everywhere, await refreshed(everywhere, replace(DEBIAN, keep=1)), 2)
    first = await spreading(everywhere)
    assert sorted(first) == ["node-2", "node-3", "node-4", "node-5"]
    order = everywhere.nodes.journal[first["node-2"].id].order
    assert (order.url, order.library_digest, order.filename) == (
        "",
        f"sha256:{2:064x}",
        "debian-12@2.qcow2",
    )
    # The old version stays until everybody has the new one.
    assert sorted(await versions(everywhere)) == [1, 2]
    for job in first.values():
        everywhere.nodes.say(job.id, **copied(2))
    await settle(400)
    new = await pointed_at(everywhere)
    assert sorted(copy.node_id for copy in new.ready_placements) == [f"node-{n}" for n in range(1, 6)]
    assert new.trust is TrustLevel.CHECKSUM
    assert sorted(await versions(everywhere)) == [2]
    assert len(everywhere.nodes.journal) == 5


async def test_a_copy_that_fails_keeps_the_others_from_nothing(everywhere: RefreshPlane) -> None:
    await landed(everywhere, await refreshed(everywhere, replace(DEBIAN, keep=1)), 2)
    first = await spreading(everywhere)
    full = Failure(code="storage.full", message="Full.")
    everywhere.nodes.say(first["node-2"].id, state=JobState.FAILED, failure=full)
    for node_id in ("node-3", "node-4", "node-5"):
        everywhere.nodes.say(first[node_id].id, **copied(2))
    await settle(400)
    ready = (await pointed_at(everywhere)).ready_placements
    assert sorted(copy.node_id for copy in ready) == ["node-1", "node-3", "node-4", "node-5"]
    assert sorted(await versions(everywhere)) == [2]


async def test_more_nodes_than_turns_are_all_served(everywhere: RefreshPlane) -> None:
    await everywhere.know(a_node("node-6"))
    await landed(everywhere, await refreshed(everywhere), 2)
    first = await spreading(everywhere)
    assert len(first) == 4
    everywhere.nodes.say(first["node-2"].id, **copied(2))
    await settle(200)
    assert "node-6" in await spreading(everywhere)


async def test_a_restart_while_copies_are_made_makes_none_twice(everywhere: RefreshPlane) -> None:
    await landed(everywhere, await refreshed(everywhere), 2)
    first = await spreading(everywhere)
    await everywhere.close()
    again = RefreshPlane(database=everywhere.database, nodes=everywhere.nodes)
    await again.downloads.resume()
    await again.refreshes.resume()
    await settle(200)
    assert await spreading(again) == first
    for job in first.values():
        again.nodes.say(job.id, **copied(2))
    await settle(400)
    async with again.database.read() as records:
        assert await records.refreshes.landings() == ()
    await again.close()


# Going back


async def test_a_build_that_was_here_before_is_not_newer(held: RefreshPlane) -> None:
    await held.know(of_build(1, current=False))
    await held.know(of_build(2))
    result = await refreshed(held)
    assert (result.report.freshness, result.job) == (Freshness.UNKNOWN, None)
    assert "which was here before" in result.message
    assert (await pointed_at(held)).id == "build-2"


async def test_that_is_known_also_after_the_old_version_went(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    await landed(held, await refreshed(held, replace(DEBIAN, keep=1)), 2)
    assert sorted(await versions(held)) == [2]
    held.publishers.offer(offered(1))
    result = await refreshed(held)
    assert (result.report.freshness, result.job) == (Freshness.UNKNOWN, None)
    assert "which was here before" in result.message


async def test_another_node_that_gets_an_old_build_does_not_bring_it_back(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    await landed(held, await refreshed(held, replace(DEBIAN, keep=1)), 2)
    # No other node can give it a copy: it fetches from the publisher.
    await held.know(a_node(phase=NodePhase.OFFLINE), a_node("node-2"))
    job, _ = await held.downloads.start(DownloadWish(catalog_id="debian-12", node="node-2"))
    await settle()
    held.nodes.say(job.id, **arriving(1))
    await settle(200)
    assert (await pointed_at(held)).digest == f"sha256:{2:064x}"
    assert {v: i.digest for v, i in (await versions(held)).items()}[3] == f"sha256:{1:064x}"


async def test_what_was_known_to_be_newer_stays_known_while_nobody_can_be_asked(held: RefreshPlane) -> None:
    held.publishers.offer(released(2, "20261123-1"))
    await refreshed(held, replace(DEBIAN, dry_run=True))
    held.publishers.offers.clear()
    result = await refreshed(held)
    assert (result.report.freshness, (await pointed_at(held)).newer) == (Freshness.UNKNOWN, "20261123-1")
    (offer, _) = await held.catalog.offers()
    answer = offer.findings["x86_64"].answer
    assert answer is not None
    assert answer.version == "20261123-1"


# Keeping


async def through_builds(plane: RefreshPlane, first: int, last: int, wish: RefreshWish = DEBIAN) -> None:
    for number in range(first, last + 1):
        plane.clock.jump(days=1)
        plane.publishers.offer(offered(number))
        await landed(plane, await refreshed(plane, wish), number)


async def test_the_last_three_versions_stay(held: RefreshPlane) -> None:
    await through_builds(held, 2, 5)
    assert sorted(await versions(held)) == [3, 4, 5]
    assert (await pointed_at(held)).version == 5
    assert [digest for _, digest in held.nodes.removed] == [f"sha256:{n:064x}" for n in (1, 2)]
    async with held.database.read() as records:
        assert await records.refreshes.landings() == ()


async def test_what_vms_use_and_what_is_protected_stays_as_it_is(held: RefreshPlane) -> None:
    vm = a_vm(
        node_id="node-1", image_id="build-1", image_digest=f"sha256:{1:064x}", image_path="/images/1.qcow2"
    )
    await held.know(vm)
    before = (await versions(held))[1]
    await through_builds(held, 2, 2)
    await held.know((await versions(held))[2].evolve(protected=True))
    await through_builds(held, 3, 6, replace(DEBIAN, keep=2))
    assert sorted(await versions(held)) == [1, 2, 5, 6]
    async with held.database.read() as records:
        kept = await records.vms.get(vm.id)
    assert kept is not None
    assert (kept.image_id, kept.image_digest, kept.image_path) == (
        "build-1",
        f"sha256:{1:064x}",
        "/images/1.qcow2",
    )
    after = (await versions(held))[1]
    assert (after.digest, after.placements, after.phase) == (before.digest, before.placements, before.phase)


async def test_a_node_that_was_away_lets_its_copy_go_when_it_is_back(held: RefreshPlane) -> None:
    await held.know(
        a_node("node-2"), of_build(1, placements=(a_copy(), a_copy("node-2", path="/images/b.qcow2")))
    )
    held.publishers.offer(offered(2))
    held.nodes.away.add("node-2")
    result = await refreshed(held, replace(DEBIAN, keep=1))
    await held.know(a_node("node-2", phase=NodePhase.OFFLINE))
    await landed(held, result, 2)
    assert sorted(await versions(held)) == [2]
    assert held.nodes.removed == [("node-1", f"sha256:{1:064x}")]
    held.nodes.away.clear()
    await held.know(a_node("node-2"))
    await held.deletions.go_on()
    assert held.nodes.removed[1:] == [("node-2", f"sha256:{1:064x}")]


async def test_a_dry_run_names_what_would_go_and_lets_it_stay(held: RefreshPlane) -> None:
    await held.know(*(of_build(n, current=False) for n in (1, 2, 3)))
    await held.know(of_build(4))
    held.publishers.offer(offered(5))
    result = await refreshed(held, replace(DEBIAN, dry_run=True))
    assert [version.id for version in result.report.prune] == ["build-1", "build-2"]
    assert sorted(await versions(held)) == [1, 2, 3, 4]


async def test_what_goes_goes_also_when_nothing_is_newer(held: RefreshPlane) -> None:
    await held.know(*(of_build(n, current=False) for n in (1, 2)))
    await held.know(of_build(3))
    held.publishers.offer(offered(3))
    await refreshed(held, replace(DEBIAN, keep=1))
    assert sorted(await versions(held)) == [3]


async def test_nothing_goes_while_the_current_version_is_on_no_node(held: RefreshPlane) -> None:
    await held.know(*(of_build(n, current=False) for n in (1, 2)))
    await held.know(of_build(3, placements=(), phase=ImagePhase.ERROR))
    result = await refreshed(held, replace(DEBIAN, images=("build-3",), keep=1))
    assert result.message.endswith("'debian-12' is not here: no node has it.")
    assert sorted(await versions(held)) == [1, 2, 3]


async def test_a_version_that_came_to_be_used_meanwhile_stays(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    result = await refreshed(held, replace(DEBIAN, keep=1))
    assert [version.id for version in result.report.prune] == ["build-1"]
    await held.know(a_vm(image_id="build-1"))
    await landed(held, result, 2)
    assert sorted(await versions(held)) == [1, 2]


async def test_a_failed_download_lets_nothing_go(held: RefreshPlane) -> None:
    held.publishers.offer(offered(2))
    result = await refreshed(held, replace(DEBIAN, keep=1))
    assert result.job is not None
    held.nodes.say(result.job.id, state=JobState.FAILED, failure=Failure(code="x", message="No."))
    await settle(200)
    assert (await versions(held))[1].phase is ImagePhase.READY


# After a restart


@pytest.fixture
async def restarted(held: RefreshPlane) -> AsyncGenerator[RefreshPlane]:
    """A refresh was begun with room for one version, and then the program was killed."""
    held.publishers.offer(offered(2))
    (result,) = await held.refreshes.refresh(replace(DEBIAN, keep=1))
    assert result.job is not None
    await settle()
    await held.close()
    again = RefreshPlane(database=held.database)
    again.nodes.journal |= held.nodes.journal
    yield again
    await again.close()


async def test_a_restart_goes_on_and_the_name_moves_once(restarted: RefreshPlane) -> None:
    await restarted.downloads.resume()
    await restarted.refreshes.resume()
    await settle()
    (job_id,) = restarted.nodes.journal
    restarted.nodes.say(job_id, **arriving(2))
    await settle(200)
    assert {v: i.current for v, i in (await versions(restarted)).items()} == {2: True}
    async with restarted.database.read() as records:
        assert await records.refreshes.landings() == ()


async def test_a_restart_after_the_landing_still_lets_old_versions_go(restarted: RefreshPlane) -> None:
    # The download ends while nobody waits to prune.
    await restarted.downloads.resume()
    await settle()
    (job_id,) = restarted.nodes.journal
    restarted.nodes.say(job_id, **arriving(2))
    await settle(200)
    assert sorted(await versions(restarted)) == [1, 2]
    await restarted.refreshes.resume()
    await settle(200)
    assert sorted(await versions(restarted)) == [2]
