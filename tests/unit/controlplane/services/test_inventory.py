from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.services.inventory import MOST_OF_ONE
from image_library.domain.errors import InvalidRequest, NodeUnreachable, NotImplementedYet, UnknownNode
from image_library.domain.guest_facts import GuestFacts
from image_library.domain.image import Image, ImageFormat, ImagePhase, PlacementState
from image_library.domain.inventory import Inventory, ReportedImage
from image_library.domain.job import JobState
from image_library.domain.node import NodePhase, Registration
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.paging import PageRequest
from image_library.domain.trust import TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    DIGEST,
    OTHER_DIGEST,
    a_copy,
    a_job,
    a_node,
    a_ready_image,
    a_reported,
    an_evidence,
    an_image,
)


def report(*images: ReportedImage, node_id: str = "node-1", **facts: object) -> Inventory:
    return replace(Inventory(node_id=node_id, images=images, complete=True), **facts)  # pyright: ignore[reportArgumentType]


async def all_images(plane: Plane) -> dict[str, Image]:
    page = await plane.images.list(ImageFilter(), PageRequest(size=1000))
    return {image.name: image for image in page.items}


@pytest.fixture
async def known(plane: Plane) -> Plane:
    await plane.know(a_node())
    return plane


async def test_an_operators_file_becomes_a_local_unverified_image(known: Plane) -> None:
    os = OsInfo(family=OsFamily.LINUX, distribution="ubuntu", version="22.04")
    result = await known.inventory.reconcile(report(a_reported(detected_os=os)))
    assert (result.registered, result.existing, result.errors) == (1, 0, [])
    image = (await all_images(known))["golden"]
    assert (image.phase, image.trust, image.digest) == (ImagePhase.READY, TrustLevel.UNVERIFIED, "")
    assert (image.os, image.size_bytes, image.virtual_size_bytes) == (os, 1000, 5000)
    assert [(p.node_id, p.path) for p in image.placements] == [("node-1", "/images/golden.qcow2")]


async def test_the_same_report_again_changes_nothing(known: Plane) -> None:
    await known.inventory.reconcile(report(a_reported()))
    before = await all_images(known)
    await known.clock.advance(60)
    result = await known.inventory.reconcile(report(a_reported()))
    assert (result.registered, result.existing) == (0, 1)
    assert await all_images(known) == before


async def test_a_file_that_changed_is_refreshed(known: Plane) -> None:
    await known.inventory.reconcile(report(a_reported()))
    await known.inventory.reconcile(report(a_reported(size_bytes=9)))
    assert [image.size_bytes for image in (await all_images(known)).values()] == [9]


async def test_a_known_digest_is_a_copy_of_that_image(known: Plane) -> None:
    image = a_ready_image(name="debian-12", evidence=an_evidence())
    await known.know(a_node("node-2"), image)
    result = await known.inventory.reconcile(
        report(a_reported("/other/debian-12.qcow2", checksum=DIGEST), node_id="node-2")
    )
    assert (result.registered, result.existing) == (0, 1)
    found = await known.image(image.id)
    assert [(p.node_id, p.state) for p in found.placements] == [
        ("node-1", PlacementState.READY),
        ("node-2", PlacementState.READY),
    ]
    assert found.trust is TrustLevel.CHECKSUM


async def test_an_unknown_digest_is_believed_to_be_there_and_nothing_more(known: Plane) -> None:
    claimed = a_reported("/images/ubuntu-24.04.qcow2", checksum=OTHER_DIGEST)
    await known.inventory.reconcile(report(claimed))
    image = (await all_images(known))["ubuntu-24.04"]
    assert (image.digest, image.trust, image.catalog_id) == (OTHER_DIGEST, TrustLevel.UNVERIFIED, "")


async def test_what_a_complete_report_leaves_out_is_unavailable(known: Plane) -> None:
    await known.know(a_node("node-2"))
    await known.know(
        a_ready_image("here-only"), a_ready_image("both", placements=(a_copy(), a_copy("node-2")))
    )
    await known.inventory.reconcile(report())
    lost, kept = await known.image("here-only"), await known.image("both")
    assert (lost.phase, lost.placements[0].state) == (ImagePhase.ERROR, PlacementState.UNAVAILABLE)
    assert lost.failure is not None
    assert lost.failure.code == "image.missing"
    assert (kept.phase, [p.node_id for p in kept.ready_placements]) == (ImagePhase.READY, ["node-2"])


async def test_what_comes_back_is_ready_again(known: Plane) -> None:
    image = a_ready_image()
    await known.know(image)
    await known.inventory.reconcile(report())
    await known.inventory.reconcile(report(a_reported(image.placements[0].path, checksum=DIGEST)))
    again = await known.image(image.id)
    assert (again.phase, again.failure, again.placements) == (ImagePhase.READY, None, image.placements)


async def test_an_incomplete_report_takes_nothing_away(known: Plane) -> None:
    await known.know(a_ready_image())
    await known.inventory.reconcile(report(a_reported(), complete=False))
    assert (await known.image("image-1")).phase is ImagePhase.READY
    assert "golden" in await all_images(known)


async def test_another_store_takes_nothing_away_and_is_said(known: Plane) -> None:
    await known.know(a_ready_image())
    result = await known.inventory.reconcile(report(store_id="swapped"))
    assert (await known.image("image-1")).phase is ImagePhase.READY
    assert len(result.errors) == 1
    assert "another store" in result.errors[0]
    assert (await known.inventory.reconcile(report(store_id="store-of-node-1"))).errors == []
    assert (await known.image("image-1")).phase is ImagePhase.ERROR


@pytest.mark.parametrize(
    "bad",
    [
        a_reported(format="exe"),
        a_reported("relative.qcow2"),
        a_reported("/new\nline.qcow2"),
        a_reported("/" + "x" * 5000),
        a_reported(size_bytes=2**64 - 1),
    ],
)
async def test_one_bad_entry_is_one_sentence(known: Plane, bad: ReportedImage) -> None:
    result = await known.inventory.reconcile(report(bad, a_reported("/images/fine.qcow2")))
    assert (result.registered, len(result.errors)) == (1, 1)
    assert "\n" not in result.errors[0]
    assert list(await all_images(known)) == ["fine"]


async def test_what_the_node_could_not_read_is_handed_on(known: Plane) -> None:
    result = await known.inventory.reconcile(report(errors=("odd.img: not an image.",)))
    assert result.errors == ["odd.img: not an image."]


async def test_names_are_made_valid_and_unique(known: Plane) -> None:
    paths = ["/a/My Image (1).img", "/b/My Image (1).img", "/c/.hidden.qcow2", "/d/ünïcode.raw", "/e/.img"]
    formats = ["raw", "raw", "qcow2", "raw", "raw"]
    await known.inventory.reconcile(
        report(*(a_reported(p, format=f) for p, f in zip(paths, formats, strict=True)))
    )
    assert sorted(await all_images(known)) == ["My-Image-1", "My-Image-1-2", "hidden", "image", "n-code"]


async def test_a_download_about_to_be_reported_is_not_registered_twice(known: Plane) -> None:
    await known.know(an_image("image-1", name="debian-12"), a_job(state=JobState.PUBLISHING))
    entry = a_reported("/images/debian-12.qcow2", checksum=DIGEST)
    result = await known.inventory.reconcile(report(entry))
    assert (result.registered, result.existing) == (0, 0)
    assert list(await all_images(known)) == ["debian-12"]


async def test_a_node_that_never_registered_is_unknown(plane: Plane) -> None:
    with pytest.raises(UnknownNode):
        await plane.inventory.reconcile(report())


async def test_a_scan_asks_every_ready_node(known: Plane) -> None:
    await known.know(a_node("node-2"), a_node("node-3"), a_node("off", phase=NodePhase.OFFLINE))
    known.nodes.inventories = {
        "node-1": report(a_reported("/images/one.qcow2")),
        "node-2": report(a_reported("/images/two.qcow2"), node_id="node-1"),
    }
    known.nodes.go_away("node-3")
    result = await known.inventory.scan()
    assert result.registered == 2
    assert [error.startswith("node-3.example:") for error in result.errors] == [True]
    two = (await all_images(known))["two"]
    assert [p.node_id for p in two.placements] == ["node-2"]


async def test_a_named_node_that_does_not_answer_is_an_error(known: Plane) -> None:
    known.nodes.go_away("node-1")
    with pytest.raises(NodeUnreachable):
        await known.inventory.scan("node-1.example")
    with pytest.raises(UnknownNode):
        await known.inventory.scan("nowhere")


async def test_a_node_of_the_old_contract_reports_in_its_own_words(known: Plane) -> None:
    said = [
        a_reported("/images/upper.qcow2", format="QCOW2"),
        a_reported("/images/azure.vhd", format="vpc"),
        a_reported("/images/hex.qcow2", checksum="a" * 64),
        a_reported("/images/md5.qcow2", checksum="md5:d41d8cd98f00b204e9800998ecf8427e"),
    ]
    assert (await known.inventory.reconcile(report(*said))).registered == 4
    again = await known.inventory.reconcile(report(*said))
    assert (again.registered, again.existing, again.errors) == (0, 4, [])
    found = await all_images(known)
    assert {name: image.digest for name, image in found.items()} == dict.fromkeys(
        ["upper", "azure", "hex", "md5"], ""
    )
    assert found["azure"].format is ImageFormat.VHD


async def test_a_digest_is_the_same_in_capitals(known: Plane) -> None:
    await known.inventory.reconcile(report(a_reported(checksum=DIGEST.upper())))
    assert (await all_images(known))["golden"].digest == DIGEST


@pytest.mark.parametrize("path", ["/images/../../etc/shadow", "/images/./x.qcow2", "images/x.qcow2", ""])
async def test_a_path_that_steps_back_is_an_error(known: Plane, path: str) -> None:
    result = await known.inventory.reconcile(report(a_reported(path)))
    assert (result.registered, len(result.errors)) == (0, 1)


async def test_a_node_that_cannot_look_spoils_nobody_elses_scan(known: Plane) -> None:
    known.nodes.refusal = NotImplementedYet("The node is too old for this.")
    for named in ("", "node-1"):
        result = await known.inventory.scan(named)
        assert (result.registered, len(result.errors)) == (0, 1)
        assert "too old" in result.errors[0]


def numbered(
    *images: ReportedImage, sequence: int, epoch: str = "first", node_id: str = "node-1"
) -> Inventory:
    return report(*images, sequence=sequence, epoch=epoch, node_id=node_id)


async def test_late_and_repeated_reports_change_nothing(known: Plane) -> None:
    new, old = a_reported("/images/new.qcow2"), a_reported("/images/old.qcow2")
    await known.inventory.reconcile(numbered(old, sequence=1))
    await known.inventory.reconcile(numbered(new, sequence=3))
    before = await all_images(known)
    for late in (numbered(old, sequence=2), numbered(old, sequence=3), numbered(sequence=1)):
        result = await known.inventory.reconcile(late)
        assert (result.registered, result.existing) == (0, 0)
    assert await all_images(known) == before
    assert (before["new"].phase, before["old"].phase) == (ImagePhase.READY, ImagePhase.ERROR)


async def test_a_new_epoch_begins_with_any_number_and_the_one_before_is_over(known: Plane) -> None:
    await known.inventory.reconcile(numbered(a_reported("/images/a.qcow2"), sequence=9))
    await known.inventory.reconcile(numbered(a_reported("/images/b.qcow2"), sequence=1, epoch="second"))
    await known.inventory.reconcile(numbered(a_reported("/images/a.qcow2"), sequence=10))
    phases = {name: image.phase for name, image in (await all_images(known)).items()}
    assert phases == {"a": ImagePhase.ERROR, "b": ImagePhase.READY}
    node = await known.node("node-1")
    assert (node.inventory_epoch, node.inventory_sequence, node.past_epochs) == ("second", 1, ("first",))


async def test_each_node_counts_for_itself(known: Plane) -> None:
    await known.know(a_node("node-2"))
    await known.inventory.reconcile(numbered(a_reported("/images/a.qcow2"), sequence=5))
    two = numbered(a_reported("/images/b.qcow2"), sequence=1, node_id="node-2")
    assert (await known.inventory.reconcile(two)).registered == 1


async def test_an_epoch_is_a_short_word(known: Plane) -> None:
    with pytest.raises(InvalidRequest):
        await known.inventory.reconcile(numbered(sequence=1, epoch="x" * 1000))


async def test_reports_at_the_same_time_are_one_image_with_a_copy_each(known: Plane) -> None:
    await known.know(a_node("node-2"), a_node("node-3"))
    nodes = ("node-1", "node-2", "node-3")
    entry = a_reported("/images/ubuntu.qcow2", checksum=OTHER_DIGEST)
    reports = [numbered(entry, sequence=1, node_id=node) for node in nodes]
    async with known.database.write():
        before = await known.database.sequence()
        tasks = [asyncio.create_task(known.inventory.reconcile(said)) for said in reports]
        await settle()
    results = await asyncio.gather(*tasks)
    assert sorted((r.registered, r.existing) for r in results) == [(0, 1), (0, 1), (1, 0)]
    (image,) = (await all_images(known)).values()
    assert {p.node_id for p in image.ready_placements} == set(nodes)
    assert await known.database.sequence() - before < len(nodes), "they shared a transaction"


async def test_two_reports_of_one_node_are_taken_in_their_order(known: Plane) -> None:
    entries = [a_reported(f"/images/i{n}.qcow2") for n in range(3)]
    await asyncio.gather(
        *(
            known.inventory.reconcile(numbered(*entries[:n], sequence=s))
            for s, n in ((1, 3), (3, 1), (2, 3), (4, 2))
        )
    )
    ready = {n for n, image in (await all_images(known)).items() if image.ready_placements}
    assert ready == {"i0", "i1"}
    assert (await known.node("node-1")).inventory_sequence == 4


async def test_an_unchanged_report_takes_no_number_of_the_library(known: Plane) -> None:
    await known.know(a_ready_image())
    entries = (a_reported("/images/debian-12.qcow2", checksum=DIGEST), a_reported())
    await known.inventory.reconcile(numbered(*entries, sequence=1))
    before = await known.database.sequence()
    assert (await known.inventory.reconcile(numbered(*entries, sequence=2))).existing == 2
    assert await known.database.sequence() == before


async def test_a_long_report_is_taken_in_slices_and_counted_once(known: Plane) -> None:
    entries = [a_reported(f"/images/file-{n}.qcow2") for n in range(2 * MOST_OF_ONE + 7)]
    result = await known.inventory.reconcile(numbered(*entries, sequence=1))
    assert (result.registered, result.existing, result.errors) == (len(entries), 0, [])
    again = await known.inventory.reconcile(numbered(*entries, sequence=2))
    assert (again.registered, again.existing) == (0, len(entries))
    await known.inventory.reconcile(numbered(sequence=3))
    async with known.database.read() as records:
        copies = await records.copies.on_node("node-1")
    assert {copy.state for copy in copies} == {PlacementState.UNAVAILABLE}


async def test_many_nodes_may_have_files_of_one_name(known: Plane) -> None:
    nodes = [f"n{number}" for number in range(40)]
    await known.know(*(a_node(node) for node in nodes))
    for some in (nodes[:30], nodes[30:]):
        await asyncio.gather(
            *(known.inventory.reconcile(numbered(a_reported(), sequence=1, node_id=node)) for node in some)
        )
    names = set(await all_images(known))
    assert names == {"golden", *(f"golden-{number}" for number in range(2, 41))}


async def test_of_two_files_with_the_same_bytes_the_first_one_stays_the_copy(known: Plane) -> None:
    twice = (a_reported("/images/a.qcow2", checksum=DIGEST), a_reported("/images/b.qcow2", checksum=DIGEST))
    for sequence in (1, 2, 3):
        await known.inventory.reconcile(numbered(*twice, sequence=sequence))
        (image,) = (await all_images(known)).values()
        assert [p.path for p in image.placements] == ["/images/a.qcow2"]


async def test_every_image_of_a_digest_gets_its_copy(known: Plane) -> None:
    await known.know(a_node("node-2"), a_ready_image("one"), a_ready_image("two", "node-2", name="two"))
    await known.inventory.reconcile(
        numbered(a_reported("/images/debian-12.qcow2", checksum=DIGEST), sequence=1)
    )
    two = await known.image("two")
    assert {p.node_id for p in two.ready_placements} == {"node-1", "node-2"}


async def test_an_operator_may_give_a_store_up(known: Plane) -> None:
    await known.know(a_ready_image())
    fresh = Registration(
        node_id="node-1", hostname="node-1.example", agent_endpoint="127.0.0.1:9000", store_id="new"
    )
    assert (await known.registry.register(fresh)).phase is NodePhase.NOT_READY
    assert (await known.inventory.reconcile(report(store_id="new"))).errors != []
    assert (await known.image("image-1")).phase is ImagePhase.READY
    accepted = await known.registry.register(replace(fresh, replaces_store_ids=("store-of-node-1",)))
    assert (accepted.phase, accepted.store_id, accepted.error_message) == (NodePhase.READY, "new", "")
    assert (await known.inventory.reconcile(report(store_id="new"))).errors == []
    assert (await known.image("image-1")).phase is ImagePhase.ERROR


async def test_what_is_found_inside_later_is_recorded_once(known: Plane) -> None:
    await known.know(a_ready_image())
    entry = a_reported("/images/debian-12.qcow2", checksum=DIGEST)
    looked = replace(entry, found=GuestFacts(default_user="debian"))
    sequences: list[int] = []
    for number, said in enumerate((entry, looked, looked, looked), start=1):
        await known.inventory.reconcile(numbered(said, sequence=number))
        sequences.append(await known.database.sequence())
    assert (await known.image("image-1")).found == looked.found
    assert sequences[1] == sequences[0] + 1
    assert sequences[1:] == [sequences[1]] * 3
