from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from image_library.domain.catalog import Support
from image_library.domain.errors import UnknownImage
from image_library.domain.image import Failure, ImagePhase
from image_library.domain.offer import OfferState
from image_library.domain.os_info import OsFamily
from image_library.domain.trust import TrustLevel
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    a_catalog,
    a_node,
    a_ready_image,
    a_variant,
    an_entry,
    an_evidence,
    an_image,
)


async def test_nothing_is_verified_before_it_is_here(plane: Plane) -> None:
    offers = await plane.catalog.offers()
    assert [(o.entry.id, o.verified, o.best_trust) for o in offers] == [
        ("debian-12", False, TrustLevel.CHECKSUM),
        ("ubuntu-24.04", False, TrustLevel.CHECKSUM),
    ]


async def test_a_verified_image_makes_its_entry_verified(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image(catalog_id="debian-12", evidence=an_evidence()))
    assert [o.verified for o in await plane.catalog.offers()] == [True, False]


async def test_an_unverified_or_vanished_image_does_not(plane: Plane) -> None:
    unproved = a_ready_image("a", catalog_id="debian-12")
    gone = a_ready_image("b", catalog_id="ubuntu-24.04", evidence=an_evidence(), placements=())
    await plane.know(a_node(), unproved, replace(gone, phase=ImagePhase.ERROR))
    assert [o.verified for o in await plane.catalog.offers()] == [False, False]


async def test_an_entry_that_pins_every_digest_is_verified_by_itself() -> None:
    pinned = an_entry(variants=(a_variant(digest="ab" * 64),))
    half = an_entry("half", variants=(a_variant(digest="ab" * 64), a_variant("aarch64")))
    plane = Plane(a_catalog(pinned, half))
    offers = await plane.catalog.offers()
    assert [(o.verified, o.best_trust) for o in offers] == [
        (True, TrustLevel.PINNED),
        (False, TrustLevel.CHECKSUM),
    ]


async def test_support_ends_the_day_after_its_last() -> None:
    plane = Plane(
        a_catalog(
            an_entry("last-day", support_ends=date(2026, 11, 23)),
            an_entry("over", support_ends=date(2026, 11, 22)),
            an_entry("open"),
        )
    )
    assert [o.end_of_life for o in await plane.catalog.offers()] == [False, True, False]


async def test_an_image_is_supported_as_its_entry_is() -> None:
    plane = Plane(a_catalog(an_entry("over", support_ends=date(2026, 11, 22)), an_entry("open")))
    supports = [plane.catalog.support_of(an_image(catalog_id=name)) for name in ("over", "open", "gone", "")]
    assert supports == [Support(ends=date(2026, 11, 22), ended=True), Support(), Support(), Support()]


async def test_offers_can_be_of_one_family(plane: Plane) -> None:
    assert len(await plane.catalog.offers(OsFamily.LINUX)) == 2
    assert await plane.catalog.offers(OsFamily.BSD) == ()


async def test_the_status_follows_the_images(plane: Plane) -> None:
    [status] = await plane.catalog.statuses(["debian-12"])
    assert status.state is OfferState.NOT_DOWNLOADED
    failed = an_image("f", catalog_id="debian-12", phase=ImagePhase.ERROR)
    await plane.know(a_node(), replace(failed, failure=Failure(code="x", message="Broken.")))
    [status] = await plane.catalog.statuses(["debian-12"])
    assert (status.state, status.error_message) == (OfferState.ERROR, "Broken.")
    await plane.know(an_image("d", catalog_id="debian-12", phase=ImagePhase.DOWNLOADING, progress_percent=40))
    [status] = await plane.catalog.statuses(["debian-12"])
    assert (status.state, status.progress_percent, status.image_id) == (OfferState.DOWNLOADING, 40, "d")
    await plane.know(a_ready_image("r", catalog_id="debian-12"))
    statuses = await plane.catalog.statuses()
    assert [(s.catalog_id, s.state) for s in statuses] == [
        ("debian-12", OfferState.READY),
        ("ubuntu-24.04", OfferState.NOT_DOWNLOADED),
    ]


async def test_an_unknown_entry_is_named_with_its_closest(plane: Plane) -> None:
    with pytest.raises(UnknownImage, match="debian-12"):
        plane.catalog.entry("debian-21")
    [status] = await plane.catalog.statuses(["nothing-like-it"])
    assert status.state is OfferState.NOT_DOWNLOADED
    assert status.error_message == "The catalog has no 'nothing-like-it'."
