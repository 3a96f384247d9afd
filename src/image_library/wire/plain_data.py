"""Messages out of plain data that people write, as TOML or in a profile.

What does not fit is named by its path, and never repeated: it may be a secret in the wrong place.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Message,
    ScalarType,
)

M = TypeVar("M", bound=Message)
# A field's name is shorter; a longer text is not compared with those that there are.
_LONGEST_NAME = 64
# Both alphabets of base64 are taken, with and without "=" at the end.
_URL_SAFE = str.maketrans("-_", "+/")
_UNSIGNED = (ScalarType.UINT32, ScalarType.UINT64)
# Of a number's value, without its sign.
_BITS = {ScalarType.UINT32: 32, ScalarType.UINT64: 64, ScalarType.INT32: 31, ScalarType.INT64: 63}


class UnfitData(ValueError):
    """The data are not those of the message; the text says which, without a full stop."""


def message_from(kind: type[M], data: object) -> M:
    """The message of these fields, by the contract's names; words of enums in either case, without prefix.

    Raises:
        UnfitData: a field that there is not, or a value that is none of its kind.
    """
    plain = _message(kind.desc(), data, "")
    try:
        return kind.from_json(json.dumps(plain))
    except (ValueError, TypeError):
        # In what has no form of its own, such as a profile's provisioning.
        raise UnfitData("dates are written in quotes, and numbers are finite") from None


def _message(kind: DescMessage, data: object, path: str) -> Any:
    if kind.file.name.startswith("google/protobuf/"):
        return data
    if not isinstance(data, Mapping):
        raise UnfitData(f"{path or 'it'} has to be a table with names and values")
    fields = {name: field for field in kind.fields for name in (field.json_name, field.name)}
    said: dict[str, Any] = {}
    for key, value in cast("Mapping[str, object]", data).items():
        at = f"{path}.{key}" if path else key
        if key not in fields:
            raise UnfitData(f"there is no field '{at}'{_closest(key, fields)}")
        if value is not None:
            said[fields[key].json_name] = _field(fields[key], value, at)
    return said


def _closest(key: str, names: Mapping[str, DescField]) -> str:
    known = {field.name for field in names.values()}
    close = get_close_matches(key, sorted(known), 1) if len(key) <= _LONGEST_NAME else []
    return f", but '{close[0]}'" if close else ""


def _field(field: DescField, value: object, at: str) -> Any:
    match field.value:
        case DescFieldValueList(element=element):
            if not isinstance(value, list):
                many = "tables, as [[…]]" if isinstance(element, DescMessage) else "values, in brackets"
                raise UnfitData(f"{at} has to be a list of {many}")
            return [_one(element, one, f"{at}.{n}") for n, one in enumerate(cast("list[object]", value))]
        case DescFieldValueMap():
            return value
        case DescFieldValueMessage(message=kind):
            return _one(kind, value, at)
        case DescFieldValueEnum(enum=kind):
            return _one(kind, value, at)
        case DescFieldValueScalar(scalar=kind):
            return _one(kind, value, at)


def _one(kind: DescMessage | DescEnum | ScalarType, value: object, at: str) -> Any:
    if isinstance(kind, DescMessage):
        return _message(kind, value, at)
    if isinstance(kind, DescEnum):
        return _word(kind, value, at)
    if kind is ScalarType.BOOL:
        return _checked(value, at, "true or false", fits=isinstance(value, bool))
    if kind is ScalarType.BYTES:
        return _checked(value, at, "bytes in base64", fits=isinstance(value, str) and _is_base64(value))
    if kind in _BITS:
        return _number(kind, value, at)
    return _checked(value, at, "a text, in quotes", fits=isinstance(value, str))


def _checked(value: object, at: str, what: str, *, fits: bool) -> object:
    if not fits:
        raise UnfitData(f"{at} has to be {what}")
    return value


def _number(kind: ScalarType, value: object, at: str) -> int:
    most = 1 << _BITS[kind]
    least = 0 if kind in _UNSIGNED else -most
    # Digits in quotes are a number on the wire, too.
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(most)):
        value = int(value)
    number = _whole(value)
    if number is None or not least <= number < most:
        raise UnfitData(f"{at} has to be a whole number from {least} to {most - 1}")
    return number


def _whole(value: object) -> int | None:
    """Structs, as a profile's provisioning is one, know no other numbers than floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(kind: DescEnum, value: object, at: str) -> int:
    numbers = {name.upper(): one.number for one in kind.values for name in (one.name, one.local_name)}
    number = numbers.get(value.upper().replace("-", "_")) if isinstance(value, str) else _whole(value)
    if number not in numbers.values():
        words = [one.local_name for one in kind.values if one.local_name != "UNSPECIFIED"]
        raise UnfitData(f"{at} has to be one of {', '.join(words)}")
    return cast("int", number)


def _is_base64(text: str) -> bool:
    try:
        b64decode(text.translate(_URL_SAFE).rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
