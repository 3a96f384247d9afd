"""What people write becomes messages, or is refused by its place and never by its value."""

from __future__ import annotations

from typing import Any

import pytest

from image_library.wire.plain_data import UnfitData, message_from
from limiquantix.compute.v1.profile_pb import CreateProfileRequest
from limiquantix.compute.v1.vm_pb import CloudInitConfig, Datasource, DiskGrowth, GuestUser, VmSpec


def test_what_fits_becomes_the_message() -> None:
    data: dict[str, Any] = {
        "swap_mib": "512",
        "growth": "named",
        "datasource": "config-drive",
        "keyboard": {"layout": "de"},
        "users": [{"name": "bob", "privilege": "ADMINISTRATOR"}, {"fullName": "Ana", "privilege": 2.0}],
        "files": [{"path": "/x", "data": "AAEC_w"}],
        "phone_home": {"tries": 3.0},
        "locale": None,
    }
    config = message_from(CloudInitConfig, data)
    assert (config.swap_mib, config.growth) == (512, DiskGrowth.NAMED)
    assert config.datasource is Datasource.CONFIG_DRIVE
    assert [user.privilege for user in config.users] == [
        GuestUser.Privilege.ADMINISTRATOR,
        GuestUser.Privilege.NONE,
    ]
    assert config.users[1].full_name == "Ana"
    assert config.files[0].data == b"\0\1\2\xff"
    assert config.phone_home
    assert config.phone_home.tries == 3
    profile = message_from(CreateProfileRequest, {"provisioning": {"anything": ["${param.x}"]}})
    assert profile.provisioning


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"hostnam": "canary"}, "there is no field 'hostnam', but 'hostname'"),
        ({"x" * 65: "canary"}, f"there is no field '{'x' * 65}'"),
        ({"users": [{}, {"nam": "canary"}]}, "there is no field 'users.1.nam', but 'name'"),
        ({"locale": ["canary"]}, "locale has to be a text, in quotes"),
        ({"upgrade": "canary"}, "upgrade has to be true or false"),
        ({"swap_mib": "canary"}, "swap_mib has to be a whole number from 0 to 4294967295"),
        ({"swap_mib": -1}, "swap_mib has to be a whole number from 0 to 4294967295"),
        ({"swap_mib": 1 << 32}, "swap_mib has to be a whole number from 0 to 4294967295"),
        ({"swap_mib": True}, "swap_mib has to be a whole number from 0 to 4294967295"),
        ({"swap_mib": float("inf")}, "swap_mib has to be a whole number from 0 to 4294967295"),
        ({"growth": "canary"}, "growth has to be one of USUAL, OFF, NAMED"),
        ({"growth": 9}, "growth has to be one of USUAL, OFF, NAMED"),
        ({"datasource": []}, "datasource has to be one of NOCLOUD, CONFIG_DRIVE, ANSWER_FILE"),
        ({"packages": "canary"}, "packages has to be a list of values, in brackets"),
        ({"users": {"name": "canary"}}, "users has to be a list of tables, as [[…]]"),
        ({"users": ["canary"]}, "users.0 has to be a table with names and values"),
        ({"files": [{"data": "canary!"}]}, "files.0.data has to be bytes in base64"),
        ("canary", "it has to be a table with names and values"),
    ],
)
def test_what_does_not_fit_is_named_and_not_repeated(data: object, why: str) -> None:
    with pytest.raises(UnfitData) as refused:
        message_from(CloudInitConfig, data)
    assert str(refused.value) == why


def test_what_has_no_form_of_its_own_is_still_plain_data() -> None:
    for value in (object(), float("nan")):
        with pytest.raises(UnfitData, match="dates are written in quotes"):
            message_from(CreateProfileRequest, {"provisioning": {"a": value}})
    assert message_from(VmSpec, {"nics": []}) == VmSpec()
