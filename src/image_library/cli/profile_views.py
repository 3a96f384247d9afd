"""Profiles as people read them."""

from __future__ import annotations

import json

from image_library.cli.output import plain
from limiquantix.compute.v1.profile_pb import Profile, ProfileParameter

COLUMNS = ("NAME", "REVISION", "USER-DATA", "PARAMETERS", "DESCRIPTION")
_RULES = {1: "allow", 2: "deny", 3: "append"}


def row(profile: Profile) -> tuple[str, ...]:
    names = ", ".join(one.name for one in profile.parameters)
    return profile.name, str(profile.revision), _rule(profile), names, plain(profile.description)


def facts(profile: Profile) -> list[tuple[str, str]]:
    said = profile.provisioning.to_json() if profile.provisioning else "{}"
    return [
        ("name", profile.name),
        ("id", profile.id),
        ("revision", str(profile.revision)),
        ("description", plain(profile.description)),
        ("user-data of a VM", _rule(profile)),
        *(("parameter", _parameter(one)) for one in profile.parameters),
        *((name, plain(json.dumps(value))) for name, value in json.loads(said).items()),
    ]


def _rule(profile: Profile) -> str:
    return _RULES.get(int(profile.user_data_rule), "append")


def _parameter(one: ProfileParameter) -> str:
    words = [one.name, one.type.name.lower(), "required" if one.required else "optional"]
    if one.has_field("default"):
        words.append(f"default {plain(one.default)!r}")
    if one.allowed:
        words.append(f"one of {plain(', '.join(one.allowed))}")
    if one.pattern:
        words.append(f"like {plain(one.pattern)}")
    return ", ".join(words) + (f": {plain(one.description)}" if one.description else "")
