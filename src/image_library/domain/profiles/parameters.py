"""The parameters that a profile declares, and the values that are given for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from image_library.domain.errors import (
    InvalidParameter,
    InvalidProfile,
    LibraryError,
    MissingParameter,
    UnknownParameter,
    printable,
)
from image_library.domain.profiles.pattern import Pattern
from image_library.domain.secret import Secret

MOST_PARAMETERS = 64
MOST_ALLOWED = 256
LONGEST_VALUE = 16 * 1024
LONGEST_DESCRIPTION = 1024
# A value that a pattern is held against.
LONGEST_MATCHED = 1024
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_TRUTHS = {"true": True, "false": False}
FIELD = "parameters"

# As it stands in what a guest is told.
Value = str | int | bool | list[str]


class ParameterType(Enum):
    STRING = "string"
    # A string that is never shown, has no default and travels apart from the others.
    SECRET = "secret"  # noqa: S105 - the name of a type
    INTEGER = "integer"
    BOOLEAN = "boolean"
    # Texts with commas between them.
    LIST = "list"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    name: str
    type: ParameterType = ParameterType.STRING
    description: str = ""
    required: bool = False
    # As it would be given; None: there is none.
    default: str | None = None
    # Empty: any value. Of a list: for each of its texts.
    allowed: tuple[str, ...] = ()
    pattern: str = ""

    def value(self, given: str) -> Value:
        """``given`` as what its type says.

        Raises:
            InvalidParameter: it is none of the values that are taken; a secret is not repeated.
        """
        if len(given) > LONGEST_VALUE or "\0" in given:
            raise self._refused(f"is no text of at most {LONGEST_VALUE} characters without NUL", "")
        match self.type:
            case ParameterType.INTEGER:
                if not _INTEGER.fullmatch(given):
                    raise self._refused("is no whole number", given)
                self._judge(given)
                return int(given)
            case ParameterType.BOOLEAN:
                if given not in _TRUTHS:
                    raise self._refused("is neither true nor false", given)
                return _TRUTHS[given]
            case ParameterType.LIST:
                texts = [text.strip() for text in given.split(",") if text.strip()]
                for text in texts:
                    self._judge(text)
                return texts
            case _:
                self._judge(given)
                return given

    def sample(self) -> Value:
        """A value for seeing whether the profile could be filled in at all."""
        if self.default is not None:
            return self.value(self.default)
        if self.allowed:
            return self.value(self.allowed[0])
        samples: dict[ParameterType, Value] = {
            ParameterType.INTEGER: 1,
            ParameterType.BOOLEAN: True,
            ParameterType.LIST: ["x"],
        }
        return samples.get(self.type, "x")

    def _judge(self, text: str) -> None:
        if self.allowed and text not in self.allowed:
            raise self._refused(f"is none of {printable(', '.join(self.allowed), 200)}", text)
        if self.pattern and (len(text) > LONGEST_MATCHED or not Pattern(self.pattern).matches(text)):
            raise self._refused(f"does not fit the pattern {printable(self.pattern)}", text)

    def _refused(self, why: str, given: str) -> InvalidParameter:
        shown = "Its value" if self.type is ParameterType.SECRET or not given else f"'{printable(given)}'"
        return InvalidParameter(f"Parameter '{self.name}': {shown} {why}.", field=f"{FIELD}.{self.name}")


@dataclass(frozen=True, kw_only=True)
class Given:
    """The values that a caller gives."""

    plain: Mapping[str, str] = field(default_factory=dict[str, str])
    secret: Mapping[str, Secret] = field(default_factory=dict[str, Secret])

    def __bool__(self) -> bool:
        return bool(self.plain or self.secret)


def judge_declared(parameters: tuple[Parameter, ...]) -> None:
    """Raises: InvalidProfile: a parameter is not declared as one can be."""
    names = [parameter.name for parameter in parameters]
    if len(names) > MOST_PARAMETERS or len(set(names)) != len(names):
        raise _wrong(f"There are at most {MOST_PARAMETERS} parameters, each of another name.")
    for parameter in parameters:
        _judge_one(parameter)


def _judge_one(one: Parameter) -> None:
    shown = printable(one.name)
    if not NAME.fullmatch(one.name):
        raise _wrong(f"'{shown}' is not a parameter's name: small letters, digits and '_', a letter first.")
    if len(one.description) > LONGEST_DESCRIPTION or len(one.allowed) > MOST_ALLOWED:
        raise _wrong(
            f"Parameter '{shown}': more than {LONGEST_DESCRIPTION} characters of description, "
            f"or {MOST_ALLOWED} allowed values."
        )
    if one.type is ParameterType.SECRET and (one.default is not None or one.allowed):
        raise _wrong(f"Parameter '{shown}': a secret has no default and no list of values.")
    if one.type is ParameterType.BOOLEAN and (one.allowed or one.pattern):
        raise _wrong(f"Parameter '{shown}': a boolean is true or false; no other rule fits it.")
    if one.pattern:
        Pattern(one.pattern)
    try:
        for text in (*one.allowed, *(() if one.default is None else (one.default,))):
            one.value(text)
    except InvalidParameter as error:
        raise _wrong(error.message) from None


def values_of(parameters: tuple[Parameter, ...], given: Given) -> dict[str, Value | None]:
    """A value for every parameter; None for one that was left out and has no default.

    Raises:
        UnknownParameter, MissingParameter, InvalidParameter: what is given does not fit.
    """
    declared = {parameter.name: parameter for parameter in parameters}
    for name in (*given.plain, *given.secret):
        if name not in declared:
            raise _unknown(name, tuple(declared))
    return {name: _value_of(parameter, given) for name, parameter in declared.items()}


def _value_of(parameter: Parameter, given: Given) -> Value | None:
    name, is_secret = parameter.name, parameter.type is ParameterType.SECRET
    if is_secret and name in given.plain:
        raise InvalidParameter(
            f"Parameter '{name}' is a secret and was given as others are.",
            remedy=f"Give it in secret_parameters (--secret-param {name}=FILE): others are kept and shown.",
            field=f"{FIELD}.{name}",
        )
    if name in given.secret:
        return parameter.value(given.secret[name].reveal())
    if name in given.plain:
        return parameter.value(given.plain[name])
    if parameter.default is not None:
        return parameter.value(parameter.default)
    if parameter.required:
        how = f"--secret-param {name}=FILE" if is_secret else f"--param {name}=VALUE"
        raise MissingParameter(
            f"The profile requires the parameter '{name}'.",
            remedy=f"Give it: {how}.",
            field=f"{FIELD}.{name}",
        )
    return None


def _unknown(name: str, known: tuple[str, ...]) -> LibraryError:
    takes = f"It takes {', '.join(known)}." if known else "It takes none."
    return UnknownParameter(
        f"The profile has no parameter '{printable(name)}'.", remedy=takes, field=f"{FIELD}.{printable(name)}"
    )


def _wrong(sentence: str) -> InvalidProfile:
    return InvalidProfile(sentence, field=FIELD)
