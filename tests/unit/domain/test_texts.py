from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.errors import InvalidCharacter, InvalidRequest
from image_library.domain.texts import named, readable


@pytest.mark.parametrize(
    "character", ["\0", "\x1b", "\x7f", "\u200b", "\u200f", "\u202e", "\u2066", "\ufeff", "\u2028", "\ue000"]
)
def test_what_is_not_seen_is_refused_with_its_position(character: str) -> None:
    with pytest.raises(InvalidCharacter, match=rf"U\+{ord(character):04X} at position 3") as refused:
        readable(f"ab{character}c", field="description", most=10)
    assert refused.value.field == "description"


def test_lines_are_taken_where_they_are_allowed() -> None:
    assert readable("a\nb", field="x", most=3, lines=True) == "a\nb"
    with pytest.raises(InvalidCharacter):
        readable("a\nb", field="x", most=3)


def test_length_is_counted_in_characters() -> None:
    assert readable("ü" * 5, field="x", most=5) == "ü" * 5
    with pytest.raises(InvalidRequest, match="6 characters"):
        readable("ü" * 6, field="x", most=5)


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_a_name_says_something(empty: str) -> None:
    with pytest.raises(InvalidRequest):
        named(empty, field="x", most=5)


@given(st.text(max_size=40))
def test_what_is_kept_has_nothing_unseen_in_it(text: str) -> None:
    try:
        kept = readable(text, field="x", most=40)
    except InvalidCharacter:
        return
    assert kept == text
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for c in kept)
