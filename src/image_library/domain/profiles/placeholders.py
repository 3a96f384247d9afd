"""``${param.NAME}`` in a profile's values: filled in as data, never as text over a document.

A string that is nothing but a placeholder becomes the value itself, whatever its type; a list in a list
becomes its items; a value that was left out takes its field or item with it. Inside a longer string the
value is written out. No shell knows the form (no variable's name has a dot); ``$${param.`` stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from image_library.domain.errors import InvalidParameter, InvalidProfile, printable
from image_library.domain.profiles.parameters import Value

_PLACEHOLDER = re.compile(r"\$(?P<escaped>\$)?\{param\.(?P<name>[^{}]{0,64})\}")
# Strings that a shell reads, here and in a cloud-config.
COMMANDS = frozenset({"run_commands", "boot_commands", "runcmd", "bootcmd"})
_PLAIN_TO_SHELLS = re.compile(r"[A-Za-z0-9@%+=:,./_-]*")
_GONE = object()


def names_in(data: Any) -> frozenset[str]:
    """The parameters that placeholders in ``data`` name."""
    return frozenset(_names(data))


def has_placeholder(text: str) -> bool:
    return _PLACEHOLDER.search(text) is not None


def filled(data: Mapping[str, Any], values: Mapping[str, Value | None]) -> dict[str, Any]:
    """``data`` with a value in each placeholder's place.

    Raises:
        InvalidProfile: a placeholder names no parameter, or is where it cannot be.
        InvalidParameter: a value would be more than a word to the shell that reads it.
    """
    return {key: new for key, old in data.items() if (new := _filled(old, values, key)) is not _GONE}


def _filled(data: Any, values: Mapping[str, Value | None], key: str) -> Any:
    if isinstance(data, str):
        return _text(data, values, key)
    if isinstance(data, Mapping):
        mapping = cast("Mapping[str, Any]", data)
        return {
            name: new
            for name, old in mapping.items()
            if (new := _filled(old, values, key if key in COMMANDS else str(name))) is not _GONE
        }
    if isinstance(data, list):
        return list(_items(cast("list[Any]", data), values, key))
    return data


def _items(data: list[Any], values: Mapping[str, Value | None], key: str) -> Iterator[Any]:
    for old in data:
        new = _filled(old, values, key)
        if isinstance(old, str) and isinstance(new, list):
            yield from cast("list[Any]", new)
        elif new is not _GONE:
            yield new


def _text(text: str, values: Mapping[str, Value | None], key: str) -> Any:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole and not whole["escaped"]:
        value = _known(whole["name"], values)
        return _GONE if value is None else value
    return _PLACEHOLDER.sub(lambda found: _written(found, values, key), text)


def _written(found: re.Match[str], values: Mapping[str, Value | None], key: str) -> str:
    if found["escaped"]:
        return found[0][1:]
    name = found["name"]
    value = _known(name, values)
    if isinstance(value, list):
        raise InvalidProfile(
            f"Parameter '{name}' is a list and stands inside a text.",
            remedy="Let it be the whole of a value.",
            field=key,
        )
    said = _as_text(value)
    if key in COMMANDS and not _PLAIN_TO_SHELLS.fullmatch(said):
        raise InvalidParameter(
            f"Parameter '{name}' stands in a command, and its value holds what a shell would act on.",
            remedy="Only letters, digits and @%+=:,./_- can be there; put others into a file that it reads.",
            field=f"parameters.{name}",
        )
    return said


def _as_text(value: Value | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _known(name: str, values: Mapping[str, Value | None]) -> Value | None:
    if name not in values:
        raise InvalidProfile(
            f"'${{param.{printable(name)}}}' names a parameter that is not declared.",
            remedy="Declare it under [[parameters]], or write '$${param.' for the text itself.",
            field="provisioning",
        )
    return values[name]


def _names(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield from (found["name"] for found in _PLACEHOLDER.finditer(data) if not found["escaped"])
    elif isinstance(data, Mapping):
        for value in cast("Mapping[str, Any]", data).values():
            yield from _names(value)
    elif isinstance(data, list):
        for item in cast("list[Any]", data):
            yield from _names(item)
