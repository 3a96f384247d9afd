"""A profile's file: TOML with a head, ``[provisioning]`` and ``[[parameters]]``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import cast

from image_library.cli.provisioning_file import why_not
from image_library.domain.errors import InvalidProfile, printable
from image_library.wire.plain_data import UnfitData, message_from
from limiquantix.compute.v1.profile_pb import CreateProfileRequest, UserDataRule

_RULES = {"allow": UserDataRule.ALLOW, "deny": UserDataRule.DENY, "append": UserDataRule.APPEND}
_TYPES = ("string", "secret", "integer", "boolean", "list")


def read(path: Path, *, name: str, replace: bool) -> CreateProfileRequest:
    """The request that the file and the options make.

    Raises:
        InvalidProfile: it cannot be read, is no TOML, or has a field or a value that there is not.
    """
    shown = printable(str(path))
    try:
        said = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidProfile(f"'{shown}' cannot be read: {error.strerror}.", field="file") from None
    except (ValueError, RecursionError) as error:
        raise InvalidProfile(f"'{shown}' is not valid TOML: {why_not(error)}.", field="file") from None
    rule = said.pop("user_data_rule", "append")
    if rule not in _RULES:
        raise InvalidProfile("user_data_rule is allow, deny or append.", field="user_data_rule")
    parameters = said.get("parameters", [])
    for parameter in cast("list[object]", parameters) if isinstance(parameters, list) else []:
        if isinstance(parameter, dict):
            _as_on_the_wire(cast("dict[str, object]", parameter))
    try:
        request = message_from(CreateProfileRequest, said)
    except UnfitData as error:
        raise InvalidProfile(f"'{shown}' does not fit: {printable(str(error), 200)}.", field="file") from None
    request.name = name or request.name
    request.user_data_rule = _RULES[rule]
    request.replace = replace
    return request


def _as_on_the_wire(parameter: dict[str, object]) -> None:
    """Values as the text that they would be given as, and the type's name as the wire has it."""
    kind = parameter.get("type", "string")
    if kind not in _TYPES:
        raise InvalidProfile(f"A parameter's type is one of {', '.join(_TYPES)}.", field="parameters.type")
    parameter["type"] = str(kind).upper()
    if "default" in parameter:
        parameter["default"] = _text(parameter["default"])
    allowed = parameter.get("allowed", [])
    if isinstance(allowed, list):
        parameter["allowed"] = [_text(one) for one in cast("list[object]", allowed)]


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, cast("list[object]", value)))
    return str(value).lower() if isinstance(value, bool) else str(value)
