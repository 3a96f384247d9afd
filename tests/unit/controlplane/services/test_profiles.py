"""Profiles: kept, judged, filled in, and what a VM made of one is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from image_library.controlplane.services.profiles import ProfileWish
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import (
    InvalidName,
    InvalidParameter,
    InvalidPassword,
    InvalidProfile,
    InvalidRequest,
    LibraryError,
    MissingParameter,
    NameTaken,
    UnknownProfile,
    UserDataDenied,
)
from image_library.domain.guest_system import GuestSystem
from image_library.domain.guest_users import UserWish
from image_library.domain.network_wish import NetworkWish, NicWish
from image_library.domain.os_info import OsInfo
from image_library.domain.profiles.parameters import Parameter, ParameterType
from image_library.domain.profiles.profile import UserDataRule
from image_library.domain.secret import Secret
from image_library.domain.windows.answers import WindowsWish
from tests.fakes.control_values import a_node, a_ready_image
from tests.fakes.control_vms import VmPlane, a_wish

SITE = Parameter(name="site", required=True, pattern="[a-z]+")
PACKAGES = Parameter(name="more", type=ParameterType.LIST)
PASSWORD = Parameter(name="pw", type=ParameterType.SECRET)
HASH = "$6$rounds=5000$abcdefgh$" + "a" * 86


@pytest.fixture
async def plane() -> AsyncGenerator[VmPlane]:
    made = VmPlane()
    await made.know(a_node())
    os = OsInfo(distribution="debian", architecture="x86_64", default_user="debian")
    await made.know(a_ready_image("image-1", name="debian-12", catalog_id="debian-12", os=os))
    yield made
    await made.close()


def a_profile(**changes: Any) -> ProfileWish:
    facts: dict[str, Any] = {
        "name": "web",
        "provisioning": {
            "hostname": "web.${param.site}.example.org",
            "packages": ["nginx", "${param.more}"],
            "runCommands": ["echo ${param.site}"],
        },
        "parameters": (SITE, PACKAGES),
    }
    return ProfileWish(**(facts | changes))


async def told(plane: VmPlane, **wish: Any) -> str:
    """The user-data of a VM that is made so."""
    vm = await plane.vms.create(a_wish(**wish))
    return plane.node_vms.orders[vm.id].seed.user_data


def using(**wish: Any) -> dict[str, Any]:
    return {"profile": "web", "parameters": {"site": "lab"}} | wish


async def test_a_vm_is_told_what_its_profile_says_with_the_values(plane: VmPlane) -> None:
    await plane.profiles.create(a_profile())
    text = await told(plane, **using(parameters={"site": "lab", "more": "git,vim"}))
    for line in ("fqdn: web.lab.example.org", "- nginx", "- git", "- vim", "- echo lab"):
        assert line in text


async def test_the_vms_own_wishes_come_on_top(plane: VmPlane) -> None:
    await plane.profiles.create(a_profile())
    own = Provisioning(hostname="mine", packages=("htop",), system=GuestSystem(timezone="Europe/Berlin"))
    text = await told(plane, **using(provisioning=own))
    assert "hostname: mine" in text
    assert text.index("- nginx") < text.index("- htop")
    assert "timezone: Europe/Berlin" in text


async def test_users_of_one_name_are_one_user(plane: VmPlane) -> None:
    said = {"users": [{"groups": ["docker"], "password_hash": HASH}, {"name": "bob"}]}
    await plane.profiles.create(a_profile(provisioning=said, parameters=()))
    own = Provisioning(users=(UserWish(full_name="Me", password=Secret("other")), UserWish(name="eve")))
    text = await told(plane, profile="web", provisioning=own)
    assert "docker" in text
    assert "gecos: Me" in text
    assert HASH not in text
    assert text.index("name: bob") < text.index("name: eve")


async def test_the_network_is_the_profiles_unless_the_vm_asks_for_its_own(plane: VmPlane) -> None:
    address = Parameter(name="address", required=True)
    nics = [
        {
            "macAddress": "52:54:00:00:00:01",
            "addressing": {"mtu": 9000, "ipConfigs": [{"address": "${param.address}"}]},
        }
    ]
    await plane.profiles.create(a_profile(provisioning={"nics": nics}, parameters=(address,)))
    values = {"address": "192.0.2.7/24"}
    vm = await plane.vms.create(a_wish("a", profile="web", parameters=values))
    assert "192.0.2.7/24" in plane.node_vms.orders[vm.id].seed.network_config
    assert "mtu: 9000" in plane.node_vms.orders[vm.id].seed.network_config
    own = NetworkWish(nics=(NicWish(mac_address="52:54:00:00:00:02"),))
    vm = await plane.vms.create(a_wish("b", profile="web", parameters=values, network=own))
    assert "192.0.2.7" not in plane.node_vms.orders[vm.id].seed.network_config


async def test_a_secret_is_hashed_and_kept_nowhere(plane: VmPlane) -> None:
    said = {"users": [{"password": "${param.pw}"}]}
    await plane.profiles.create(a_profile(provisioning=said, parameters=(PASSWORD,)))
    vm = await plane.vms.create(a_wish(profile="web", secret_parameters={"pw": Secret("canary")}))
    order = plane.node_vms.orders[vm.id]
    assert "hashed_passwd: $6$" in order.seed.user_data
    assert "canary" not in f"{order}{order.seed.user_data}{await plane.stored(vm.id)}"


# The VM's own user-data

THEIRS = "#cloud-config\npackages: [htop]\nlocale: C.UTF-8\n"
OURS = "#cloud-config\npackages: [nginx]\nlocale: ${param.locale}\ntimezone: UTC\n"
LOCALE = Parameter(name="locale", default="de_DE.UTF-8")


async def with_rule(plane: VmPlane, rule: UserDataRule) -> None:
    said = {"user_data": OURS}
    await plane.profiles.create(a_profile(provisioning=said, parameters=(LOCALE,), rule=rule))


async def test_allow_lets_it_take_the_profiles_place(plane: VmPlane) -> None:
    await with_rule(plane, UserDataRule.ALLOW)
    assert await told(plane, profile="web", provisioning=Provisioning(user_data=THEIRS)) == THEIRS


async def test_append_makes_both_parts_and_the_vms_own_stands(plane: VmPlane) -> None:
    await with_rule(plane, UserDataRule.APPEND)
    text = await told(plane, profile="web", provisioning=Provisioning(user_data=THEIRS))
    assert text.index("nginx") < text.index("htop")
    assert "timezone: UTC" in text
    assert "de_DE" not in text
    assert "C.UTF-8" in text


async def test_append_takes_scripts_too(plane: VmPlane) -> None:
    await with_rule(plane, UserDataRule.APPEND)
    text = await told(plane, profile="web", provisioning=Provisioning(user_data="#!/bin/sh\nid\n"))
    assert "text/x-shellscript" in text
    assert "locale: de_DE.UTF-8" in text


async def test_deny_refuses_it_and_takes_the_rest(plane: VmPlane) -> None:
    await with_rule(plane, UserDataRule.DENY)
    for own in (Provisioning(user_data=THEIRS), Provisioning(vendor_data=THEIRS)):
        with pytest.raises(UserDataDenied):
            await plane.vms.create(a_wish(profile="web", provisioning=own))
    assert "nginx" in await told(plane, profile="web", provisioning=Provisioning(hostname="mine"))


# What is refused


async def test_what_does_not_fit_is_named_and_nothing_is_made(plane: VmPlane) -> None:
    await plane.profiles.create(a_profile())
    refused: list[tuple[dict[str, Any], type[LibraryError]]] = [
        ({"profile": "other"}, UnknownProfile),
        ({"profile": "web"}, MissingParameter),
        ({"profile": "web", "parameters": {"site": "LAB"}}, InvalidParameter),
        ({"parameters": {"site": "lab"}}, InvalidRequest),
        (using(project_id="elsewhere"), UnknownProfile),
        (using(windows=WindowsWish()), InvalidRequest),
    ]
    for wish, error in refused:
        with pytest.raises(error):
            await plane.vms.create(a_wish(**wish))
    assert await plane.all_vms() == []


async def test_preflight_says_it_in_red_and_preview_shows_the_values(plane: VmPlane) -> None:
    await plane.profiles.create(a_profile())
    [finding] = await plane.vms.preflight(a_wish(profile="web"))
    assert finding.code == "profile.parameter_missing"
    assert "web.lab" in (await plane.vms.preview(a_wish(**using()))).documents.user_data


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "a/b"}, InvalidName),
        ({"provisioning": {"pakages": ["x"]}, "parameters": ()}, InvalidProfile),
        ({"provisioning": {"packages": "x"}, "parameters": ()}, InvalidProfile),
        ({"provisioning": {"hostname": "${param.typo}"}, "parameters": ()}, InvalidProfile),
        ({"provisioning": {"hostname": "x"}, "parameters": (SITE,)}, InvalidProfile),
        ({"provisioning": {"swap_mib": "${param.site}"}, "parameters": (SITE,)}, InvalidProfile),
        ({"provisioning": {"users": [{"password": "plain"}]}, "parameters": ()}, InvalidProfile),
        ({"provisioning": {"users": [{"password": "${param.site}"}]}, "parameters": (SITE,)}, InvalidProfile),
        ({"provisioning": {"users": [{"password_hash": "(hidden)"}]}, "parameters": ()}, InvalidPassword),
        (
            {"provisioning": {"user_data": "#!/bin/sh\n${param.site}"}, "parameters": (SITE,)},
            InvalidProfile,
        ),
        ({"description": "d" * 5000}, InvalidProfile),
    ],
)
async def test_a_profile_that_could_not_be_used_is_not_kept(
    plane: VmPlane, changes: dict[str, Any], error: type[LibraryError]
) -> None:
    with pytest.raises(error):
        await plane.profiles.create(a_profile(**changes))
    async with plane.database.read() as records:
        assert await records.profiles.named("web", "default") is None


async def test_nesting_beyond_measure_is_refused(plane: VmPlane) -> None:
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(InvalidProfile, match="too deeply"):
        await plane.profiles.create(a_profile(provisioning={"packages": deep}, parameters=()))


async def test_a_value_in_yaml_is_a_value_whatever_it_says(plane: VmPlane) -> None:
    free = Parameter(name="free", required=True)
    said = {"user_data": "#cloud-config\nwrite_files:\n  - {path: /x, content: '${param.free}'}\n"}
    await plane.profiles.create(a_profile(provisioning=said, parameters=(free,)))
    evil = "'}\nruncmd: [[sh, -c, id]]\n#"
    text = await told(plane, profile="web", parameters={"free": evil})
    import yaml

    assert yaml.safe_load(text) == {"write_files": [{"path": "/x", "content": evil}]}


# Kept


async def test_replacing_and_deleting_leave_vms_as_they_were_told(plane: VmPlane) -> None:
    first = await plane.profiles.create(a_profile())
    with pytest.raises(NameTaken):
        await plane.profiles.create(a_profile())
    vm = await plane.vms.create(a_wish(**using()))
    assert vm.profile == "web@1"
    again = await plane.profiles.create(
        a_profile(name="WEB", provisioning={"packages": ["vim"]}, parameters=(), replace=True)
    )
    assert (again.id, again.revision, again.created_at) == (first.id, 2, first.created_at)
    await plane.profiles.delete("web")
    with pytest.raises(UnknownProfile):
        await plane.profiles.get("web")
    assert (await plane.vms.get(vm.id)).profile == "web@1"
    assert "nginx" in plane.node_vms.orders[vm.id].seed.user_data


async def test_it_is_found_by_name_and_id_in_its_project_only(plane: VmPlane) -> None:
    made = await plane.profiles.create(a_profile())
    assert await plane.profiles.get("web") == await plane.profiles.get(made.id) == made
    for named in ("web", made.id):
        with pytest.raises(UnknownProfile):
            await plane.profiles.get(named, "other")


# Several at once


async def test_several_vms_differ_in_their_names_only(plane: VmPlane) -> None:
    await plane.profiles.create(a_profile())
    made = await plane.batches.create(a_wish("n", **using(), start_on_create=False), 12)
    assert [one.name for one in made] == [f"n-{number:03}" for number in range(1, 13)]
    vms = [one.vm for one in made if one.vm]
    assert len({vm.mac_address for vm in vms}) == len(vms) == 12
    assert len({vm.image_digest for vm in vms}) == 1
    assert plane.node_vms.asked("start") == []


async def test_what_one_is_refused_for_keeps_no_other_from_being_made(plane: VmPlane) -> None:
    await plane.vms.create(a_wish("n-002"))
    made = await plane.batches.create(a_wish("n"), 3)
    assert [one.failure and one.failure.code for one in made] == [None, "name.taken", None]
    assert [bool(one.vm) for one in made] == [True, False, True]


@pytest.mark.parametrize("count", [0, 257])
async def test_so_many_are_not_made(plane: VmPlane, count: int) -> None:
    with pytest.raises(InvalidRequest):
        await plane.batches.create(a_wish("n"), count)


async def test_an_address_is_one_vms_alone(plane: VmPlane) -> None:
    wish = a_wish("n", network=NetworkWish(nics=(NicWish(mac_address="52:54:00:00:00:01"),)))
    with pytest.raises(InvalidRequest, match="alone"):
        await plane.batches.create(wish, 2)
    with pytest.raises(InvalidName):
        await plane.batches.create(a_wish("n" * 62), 2)
    assert await plane.all_vms() == []
