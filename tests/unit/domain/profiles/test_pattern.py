"""Patterns for values: as Python's own expressions where both know one, and quick whatever is asked."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.errors import InvalidProfile
from image_library.domain.profiles.pattern import Pattern

ONE = st.sampled_from(["a", "b", "[ab]", "[^a]", "[a-c]", r"\d", r"\.", ".", "-"])
COUNT = st.sampled_from(["", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}"])
PATTERN = st.lists(st.tuples(ONE, COUNT), max_size=6).map(lambda many: "".join(o + c for o, c in many))


@given(PATTERN, st.text("abcd.-1", max_size=8))
def test_it_matches_what_a_regular_expression_would(pattern: str, text: str) -> None:
    assert Pattern(pattern).matches(text) == bool(re.fullmatch(pattern, text, re.DOTALL))


@pytest.mark.parametrize(
    "text",
    ["(a)", "a|b", "(a+)+$", r"\1", "^a", "a$", "a**", "{2}", "[", "[]", "a{9", "a{3,2}", "a" * 257, "[b-a]"],
)
def test_what_it_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(InvalidProfile, match="no pattern that is taken"):
        Pattern(text)


def test_many_repetitions_are_refused_and_not_unfolded() -> None:
    with pytest.raises(InvalidProfile):
        Pattern("a{999}a{999}")


def test_one_that_would_keep_a_backtracking_reader_busy_for_ever_is_answered() -> None:
    assert not Pattern("a*" * 60 + "b").matches("a" * 1024)
