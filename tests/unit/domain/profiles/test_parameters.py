"""Parameters: what is declared, what is given, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from image_library.domain.errors import (
    InvalidParameter,
    InvalidProfile,
    LibraryError,
    MissingParameter,
    UnknownParameter,
)
from image_library.domain.profiles.parameters import (
    Given,
    Parameter,
    ParameterType,
    judge_declared,
    values_of,
)
from image_library.domain.secret import Secret

T = ParameterType


def one(kind: ParameterType = T.STRING, **more: Any) -> Parameter:
    return Parameter(name="p", type=kind, **more)


@pytest.mark.parametrize(
    ("parameter", "given", "value"),
    [
        (one(), "a b\nc", "a b\nc"),
        (one(T.INTEGER), "-12", -12),
        (one(T.BOOLEAN), "false", False),
        (one(T.LIST), "a, b,,c", ["a", "b", "c"]),
        (one(T.LIST), "", []),
        (one(allowed=("x", "y")), "y", "y"),
        (one(pattern="[a-z]{2}"), "ab", "ab"),
    ],
)
def test_a_value_becomes_what_its_type_says(parameter: Parameter, given: str, value: object) -> None:
    assert values_of((parameter,), Given(plain={"p": given})) == {"p": value}


@pytest.mark.parametrize(
    ("parameter", "given", "why"),
    [
        (one(T.INTEGER), "1.5", "no whole number"),
        (one(T.INTEGER), "９", "no whole number"),
        (one(T.INTEGER), "9" * 40, "no whole number"),
        (one(T.BOOLEAN), "yes", "neither true nor false"),
        (one(allowed=("x", "y")), "z", "none of x, y"),
        (one(T.LIST, allowed=("x",)), "x,z", "none of x"),
        (one(pattern="[a-z]{2}"), "abc", "does not fit the pattern"),
        (one(), "a\0", "without NUL"),
        (one(), "a" * 20_000, "at most"),
    ],
)
def test_a_wrong_value_is_named_with_its_parameter(parameter: Parameter, given: str, why: str) -> None:
    with pytest.raises(InvalidParameter, match=why) as refused:
        values_of((parameter,), Given(plain={"p": given}))
    assert refused.value.field == "parameters.p"
    assert "'p'" in refused.value.message


def test_unknown_and_missing_ones_are_named_with_what_to_do() -> None:
    required = one(required=True)
    with pytest.raises(UnknownParameter) as unknown:
        values_of((required,), Given(plain={"q": "1"}))
    assert (unknown.value.field, unknown.value.remedy) == ("parameters.q", "It takes p.")
    with pytest.raises(MissingParameter) as missing:
        values_of((required,), Given())
    assert "--param p=VALUE" in missing.value.remedy
    with pytest.raises(MissingParameter) as secret:
        values_of((one(T.SECRET, required=True),), Given())
    assert "--secret-param p=FILE" in secret.value.remedy


def test_what_is_left_out_is_its_default_or_nothing() -> None:
    assert values_of((one(default="d"),), Given()) == {"p": "d"}
    assert values_of((one(default="d", required=True),), Given()) == {"p": "d"}
    assert values_of((one(),), Given()) == {"p": None}


def test_a_secret_travels_apart_and_no_refusal_repeats_it() -> None:
    secret = one(T.SECRET, pattern="[0-9]{4}")
    assert values_of((secret,), Given(secret={"p": Secret("1234")})) == {"p": "1234"}
    for given in (Given(plain={"p": "canary"}), Given(secret={"p": Secret("canary")})):
        with pytest.raises(InvalidParameter) as refused:
            values_of((secret,), given)
        assert "canary" not in f"{refused.value.message}{refused.value.remedy}"


@pytest.mark.parametrize(
    "declared",
    [
        (one(), one()),
        tuple(Parameter(name=f"p{n}") for n in range(65)),
        (Parameter(name="P"),),
        (Parameter(name="a.b"),),
        (Parameter(name=""),),
        (one(T.SECRET, default="x"),),
        (one(T.SECRET, allowed=("x",)),),
        (one(T.INTEGER, default="x"),),
        (one(allowed=("a",), default="b"),),
        (one(T.BOOLEAN, pattern="t"),),
        (one(pattern="(a+)+"),),
        (one(description="d" * 2000),),
    ],
)
def test_what_cannot_be_declared_is_refused(declared: tuple[Parameter, ...]) -> None:
    with pytest.raises(InvalidProfile) as refused:
        judge_declared(declared)
    assert isinstance(refused.value, LibraryError)
    assert refused.value.field.startswith("parameters")


@pytest.mark.parametrize("kind", ParameterType)
def test_each_type_has_a_sample_that_it_takes_itself(kind: ParameterType) -> None:
    judge_declared((one(kind),))
    assert one(kind).sample() is not None
