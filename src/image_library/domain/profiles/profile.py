"""A profile: what guests are told alike, the parameters for what differs, and what a VM may bring itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, cast

from image_library.domain.errors import InvalidProfile, printable
from image_library.domain.identity import valid_name
from image_library.domain.password import valid_hash
from image_library.domain.profiles.parameters import Parameter, ParameterType, judge_declared
from image_library.domain.profiles.placeholders import has_placeholder, names_in
from image_library.domain.secret import Secret

LONGEST_DESCRIPTION = 4096
DEEPEST = 16
SHOWN_FOR_SECRETS = "(hidden)"
_WHOLE = re.compile(r"\$\{param\.([a-z0-9_]+)\}")
_HUMP = re.compile(r"(?<=[a-z0-9])[A-Z]")


class UserDataRule(Enum):
    """What becomes of user-data and vendor-data that a VM brings itself."""

    # It takes the place of the profile's.
    ALLOW = "allow"
    # It is refused.
    DENY = "deny"
    # It comes after the profile's, both as parts of one document.
    APPEND = "append"


@dataclass(frozen=True, kw_only=True)
class Profile:
    id: str
    name: str
    project_id: str = "default"
    description: str = ""
    # Names of CloudInitConfig's fields, and nics, vlans and bonds; placeholders stand where parameters go.
    provisioning: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    parameters: tuple[Parameter, ...] = ()
    rule: UserDataRule = UserDataRule.APPEND
    # One more with each replacement.
    revision: int = 1
    created_at: datetime
    updated_at: datetime

    @property
    def title(self) -> str:
        return f"{self.name}@{self.revision}"

    def evolve(self, **changes: Any) -> Profile:
        return replace(self, **changes)


def judge(profile: Profile) -> None:
    """Everything that can be judged without reading the provisioning.

    Raises:
        InvalidName, InvalidProfile, InvalidPassword: it cannot be one.
    """
    valid_name(profile.name)
    if len(profile.description) > LONGEST_DESCRIPTION:
        raise InvalidProfile(
            f"The description has more than {LONGEST_DESCRIPTION} characters.", field="description"
        )
    judge_declared(profile.parameters)
    declared = {parameter.name: parameter for parameter in profile.parameters}
    used = names_in(profile.provisioning)
    unused = sorted(declared.keys() - used)
    if unused:
        raise InvalidProfile(f"Parameter '{unused[0]}' is declared and stands nowhere.", field="parameters")
    undeclared = sorted(used - declared.keys())
    if undeclared:
        raise InvalidProfile(
            f"'${{param.{printable(undeclared[0])}}}' names a parameter that is not declared.",
            remedy="Declare it under [[parameters]], or write '$${param.' for the text itself.",
            field="provisioning",
        )
    _judge_passwords(profile.provisioning, declared)


def _judge_passwords(provisioning: Mapping[str, Any], declared: Mapping[str, Parameter]) -> None:
    """A profile lies about for long: no password stands in it."""
    users = provisioning.get("users")
    for user in cast("list[Any]", users) if isinstance(users, list) else []:
        said = cast("dict[str, Any]", user) if isinstance(user, dict) else {}
        password, kept = said.get("password", ""), said.get("password_hash", "")
        named = _WHOLE.fullmatch(str(password))
        parameter = declared.get(named[1]) if named else None
        if password and (parameter is None or parameter.type is not ParameterType.SECRET):
            raise InvalidProfile(
                "A password in a profile is a secret parameter and nothing else.",
                remedy='Declare one with type = "secret" and write ${param.NAME}, or give password_hash.',
                field="users.password",
            )
        if kept and not has_placeholder(str(kept)):
            valid_hash(Secret(str(kept)))


def normalised(data: Any, depth: int = 0) -> Any:
    """JSON's data as we keep it: names with underscores, whole numbers whole.

    Raises:
        InvalidProfile: it is nested beyond measure.
    """
    if depth > DEEPEST:
        raise InvalidProfile("The provisioning is nested too deeply.", field="provisioning")
    if isinstance(data, Mapping):
        named = cast("Mapping[str, Any]", data)
        return {_underscored(str(key)): normalised(value, depth + 1) for key, value in named.items()}
    if isinstance(data, list):
        return [normalised(item, depth + 1) for item in cast("list[Any]", data)]
    return int(data) if isinstance(data, float) and data.is_integer() else data


def without_secrets(data: Any) -> Any:
    """The same with a mark where hashes of passwords are, to be shown."""
    if isinstance(data, Mapping):
        named = cast("Mapping[str, Any]", data)
        return {
            key: SHOWN_FOR_SECRETS
            if key == "password_hash" and value and not has_placeholder(str(value))
            else without_secrets(value)
            for key, value in named.items()
        }
    return [without_secrets(item) for item in cast("list[Any]", data)] if isinstance(data, list) else data


def _underscored(name: str) -> str:
    return _HUMP.sub(lambda hump: f"_{hump[0].lower()}", name)
