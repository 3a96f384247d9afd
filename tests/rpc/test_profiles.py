"""ProfileService and CreateVMs through their real door, and by the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from image_library.cli.__main__ import run
from tests.rpc.vm_door import Door, wish
from tests.support.rpc import Json

PROFILES = "compute.v1.ProfileService"
HASH = "$6$rounds=5000$abcdefgh$" + "a" * 86
PROFILE: Json = {
    "name": "web",
    "description": "Web servers",
    "provisioning": {
        "hostname": "web.${param.site}.example.org",
        "swapMib": "${param.swap}",
        "users": [{"password": "${param.pw}", "groups": ["docker"]}, {"name": "bob", "passwordHash": HASH}],
    },
    "parameters": [
        {"name": "site", "required": True, "allowed": ["lab", "prod"]},
        {"name": "swap", "type": "INTEGER", "default": "64"},
        {"name": "pw", "type": "SECRET"},
    ],
    "userDataRule": "USER_DATA_RULE_DENY",
}
FILE = """
name = "web"
description = "Web servers"
user_data_rule = "deny"

[provisioning]
hostname = "web.${param.site}.example.org"
swap_mib = "${param.swap}"

[[provisioning.users]]
password = "${param.pw}"

[[parameters]]
name = "site"
required = true
allowed = ["lab", "prod"]

[[parameters]]
name = "swap"
type = "integer"
default = 64

[[parameters]]
name = "pw"
type = "secret"
"""


def holding(folder: Path, text: bytes) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if text in path.read_bytes()]


async def test_a_profile_is_made_shown_listed_replaced_and_deleted(door: Door) -> None:
    made = await door.call(f"{PROFILES}/CreateProfile", PROFILE)
    shown = await door.call(f"{PROFILES}/GetProfile", {"name": "web"})
    assert made == shown
    assert shown["provisioning"]["swap_mib"] == "${param.swap}"
    assert shown["parameters"][1] == {"name": "swap", "type": "INTEGER", "default": "64"}
    assert "default" not in shown["parameters"][0]
    assert HASH not in json.dumps(shown)
    assert shown["provisioning"]["users"][1]["password_hash"] == "(hidden)"
    assert await door.refused(f"{PROFILES}/CreateProfile", PROFILE) == ("already_exists", "NAME_TAKEN")
    again = await door.call(f"{PROFILES}/CreateProfile", PROFILE | {"replace": True})
    assert (again["id"], again["revision"]) == (made["id"], 2)
    listed = await door.call(f"{PROFILES}/ListProfiles", {})
    assert [p["revision"] for p in listed["profiles"]] == [2]
    await door.call(f"{PROFILES}/DeleteProfile", {"name": "web"})
    assert await door.refused(f"{PROFILES}/GetProfile", {"name": "web"}) == ("not_found", "PROFILE_UNKNOWN")


async def test_a_vm_is_made_of_it_and_keeps_no_secret(door: Door, tmp_path: Path) -> None:
    await door.call(f"{PROFILES}/CreateProfile", PROFILE)
    asked = wish("a") | {
        "profile": "web",
        "parameters": {"site": "lab"},
        "secretParameters": {"pw": "canary-5"},
    }
    vm = await door.call("CreateVM", asked)
    said = door.node.orders[vm["id"]].seed.user_data
    assert vm["status"]["profile"] == "web@1"
    assert "fqdn: web.lab.example.org" in said
    assert "size: 67108864" in said
    assert "hashed_passwd: $6$" in said
    preview = await door.call("PreviewProvisioning", asked | {"name": "b"})
    assert "canary-5" not in json.dumps([vm, preview]) + said
    assert await asyncio.to_thread(holding, tmp_path, b"canary-5") == []


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"profile": "none"}, ("not_found", "PROFILE_UNKNOWN")),
        ({"parameters": {}}, ("invalid_argument", "PROFILE_PARAMETER_MISSING")),
        ({"parameters": {"site": "moon"}}, ("invalid_argument", "PROFILE_PARAMETER_INVALID")),
        ({"parameters": {"site": "lab", "x": "1"}}, ("invalid_argument", "PROFILE_PARAMETER_UNKNOWN")),
        ({"parameters": {"site": "lab", "pw": "1"}}, ("invalid_argument", "PROFILE_PARAMETER_INVALID")),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(
    door: Door, changes: Json, refusal: tuple[str, str]
) -> None:
    await door.call(f"{PROFILES}/CreateProfile", PROFILE)
    asked = wish("a") | {"profile": "web", "parameters": {"site": "lab"}} | changes
    assert await door.refused("CreateVM", asked) == refusal


async def test_several_vms_are_made_by_one_call_and_refusals_stand_beside_them(door: Door) -> None:
    await door.create("n-002")
    asked = {"vm": wish("n") | {"startOnCreate": False}, "count": 3}
    made = (await door.call("CreateVMs", asked))["vms"]
    assert [one["name"] for one in made] == ["n-001", "n-002", "n-003"]
    assert [one.get("errorCode", "") for one in made] == ["", "name.taken", ""]
    assert made[0]["vm"]["status"]["state"] == "STOPPED"
    digests = {one["vm"]["status"]["imageDigest"] for one in made if "vm" in one}
    assert len(digests) == 1
    alone = await door.call("CreateVMs", asked | {"vm": wish("m"), "count": 1})
    assert [one["name"] for one in alone["vms"]] == ["m"]
    assert await door.refused("CreateVMs", asked | {"count": 300}) == ("invalid_argument", "REQUEST_INVALID")


async def test_the_command_line_does_all_of_it(
    door: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file, secret = tmp_path / "web.toml", tmp_path / "secret"
    file.write_text(FILE)
    secret.write_text("canary-6\n")

    async def cli(*words: str) -> tuple[int, str]:
        where = ("--server", door.plane.url, "--data-dir", str(tmp_path))
        code = await asyncio.to_thread(run, [*where, *words])
        ended = capsys.readouterr()
        return code, ended.out + ended.err

    assert (await cli("profiles", "create", str(file)))[0] == 0
    assert "exists already" in (await cli("profiles", "create", str(file)))[1]
    assert "revision 2" in (await cli("profiles", "create", str(file), "--replace"))[1]
    assert "site, swap, pw" in (await cli("profiles", "list"))[1]
    shown = (await cli("profiles", "show", "web"))[1]
    assert "site, string, required, one of lab, prod" in shown
    assert "pw, secret, optional" in shown
    values = ("--profile", "web", "--param", "site=lab", "--secret-param", f"pw={secret}")
    assert "web.lab.example.org" in (await cli("vms", "preview", "golden", *values))[1]
    code, said = await cli("vms", "create", "golden", "--name", "n", "--count", "2", "--no-start", *values)
    assert (code, "n-001: made" in said, "n-002: made" in said) == (0, True, True)
    code, said = await cli("vms", "create", "golden", "--name", "n", "--count", "3", *values)
    assert code != 0
    assert "n-003: made" in said
    assert "2 of 3 VMs could not be made" in said
    assert all("canary-6" not in order.seed.user_data for order in door.node.orders.values())
    assert (await cli("profiles", "delete", "web", "--yes"))[0] == 0
    assert "There is no profile 'web'" in (await cli("profiles", "show", "web"))[1]
