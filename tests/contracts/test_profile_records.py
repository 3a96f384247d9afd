"""What every keeper of profiles does alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from image_library.controlplane.ports.records import Database
from image_library.domain.errors import NameTaken
from image_library.domain.paging import PageRequest
from image_library.domain.profiles.parameters import Parameter, ParameterType
from image_library.domain.profiles.profile import Profile, UserDataRule
from tests.fakes.control_values import NOW


def a_profile(profile_id: str = "p1", **changes: Any) -> Profile:
    facts: dict[str, Any] = {
        "name": "Web",
        "provisioning": {"packages": ["nginx", "${param.more}"], "swap_mib": 64, "upgrade": True},
        "parameters": (Parameter(name="more", type=ParameterType.LIST, default="", allowed=("a", "b")),),
        "rule": UserDataRule.DENY,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Profile(id=profile_id, **(facts | changes))


async def test_a_profile_comes_back_as_it_was_saved(database: Database) -> None:
    profile = a_profile()
    async with database.write() as records:
        await records.profiles.save(profile)
    async with database.read() as records:
        assert await records.profiles.get("p1") == profile
        assert await records.profiles.named("wEB", "default") == profile
        assert await records.profiles.named("web", "other") is None
        assert await records.profiles.get("p2") is None


async def test_a_default_that_is_empty_is_told_from_none(database: Database) -> None:
    none = a_profile(parameters=(Parameter(name="more"),))
    async with database.write() as records:
        await records.profiles.save(none)
        kept = await records.profiles.get("p1")
    assert kept is not None
    assert kept.parameters[0].default is None


async def test_a_name_is_taken_once_in_a_project_in_capitals_or_not(database: Database) -> None:
    async with database.write() as records:
        await records.profiles.save(a_profile())
        await records.profiles.save(a_profile("p2", project_id="other"))
        with pytest.raises(NameTaken):
            await records.profiles.save(a_profile("p3", name="WEB"))
    async with database.read() as records:
        assert await records.profiles.get("p3") is None


async def test_saving_again_replaces_and_removing_forgets(database: Database) -> None:
    async with database.write() as records:
        await records.profiles.save(a_profile())
        await records.profiles.save(a_profile(revision=2, name="web"))
        assert await records.profiles.get("p1") == a_profile(revision=2, name="web")
        await records.profiles.remove("p1")
        await records.profiles.remove("p1")
        assert await records.profiles.get("p1") is None


async def test_lists_are_newest_first_page_by_page(database: Database) -> None:
    async with database.write() as records:
        for number in range(3):
            made = NOW + timedelta(seconds=number)
            await records.profiles.save(a_profile(f"p{number}", name=f"n{number}", created_at=made))
        await records.profiles.save(a_profile("x", project_id="other"))
    async with database.read() as records:
        first = await records.profiles.list("default", PageRequest(size=2))
        rest = await records.profiles.list("default", PageRequest(size=2, after=first.next))
        every = await records.profiles.list("", PageRequest(size=50))
    assert [p.id for p in first.items] == ["p2", "p1"]
    assert [p.id for p in rest.items] == ["p0"]
    assert (first.total, rest.next, every.total) == (3, None, 4)
