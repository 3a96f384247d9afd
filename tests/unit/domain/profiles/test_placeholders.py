"""Placeholders: values go in as data, and a text of theirs never becomes structure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.domain.errors import InvalidParameter, InvalidProfile
from image_library.domain.profiles.parameters import Value
from image_library.domain.profiles.placeholders import filled, names_in
from tests.support.sizes import size

VALUES: dict[str, Value | None] = {
    "s": "text",
    "n": 9,
    "b": True,
    "l": ["x", "y"],
    "none": None,
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": "${param.s}"}, {"a": "text"}),
        ({"a": "${param.n}"}, {"a": 9}),
        ({"a": "${param.b}"}, {"a": True}),
        ({"a": "${param.l}"}, {"a": ["x", "y"]}),
        ({"a": ["1", "${param.l}", "2"]}, {"a": ["1", "x", "y", "2"]}),
        ({"a": "<${param.s}-${param.n}-${param.b}>"}, {"a": "<text-9-true>"}),
        ({"a": "${param.none}", "b": 1}, {"b": 1}),
        ({"a": ["${param.none}", "z"]}, {"a": ["z"]}),
        ({"a": "x${param.none}y"}, {"a": "xy"}),
        ({"a": "$${param.s} ${HOME} {{ s }}"}, {"a": "${param.s} ${HOME} {{ s }}"}),
        ({"a": "$${param.s}"}, {"a": "${param.s}"}),
        ({"a": {"b": [{"c": "${param.s}"}]}}, {"a": {"b": [{"c": "text"}]}}),
        ({"run_commands": ["echo ${param.s}", "${param.s}"]}, {"run_commands": ["echo text", "text"]}),
    ],
)
def test_a_value_stands_where_its_placeholder_was(
    before: dict[str, object], after: dict[str, object]
) -> None:
    assert filled(before, VALUES) == after


@pytest.mark.parametrize("text", ["${param.}", "${param.other}", "a ${param.A} b"])
def test_a_placeholder_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidProfile, match="not declared"):
        filled({"a": text}, VALUES)


def test_a_list_inside_a_text_is_refused() -> None:
    with pytest.raises(InvalidProfile, match="inside a text"):
        filled({"a": "x ${param.l}"}, VALUES)


@pytest.mark.parametrize(
    "value", ["$(id)", "a b", "a;b", "`id`", "'", '"', "a\nb", "a|b", "~", "*", "\\", "#", "ä"]
)
@pytest.mark.parametrize("key", ["run_commands", "boot_commands", "runcmd", "bootcmd"])
def test_a_value_in_a_command_is_a_word_to_every_shell(key: str, value: str) -> None:
    for command in ("echo ${param.p}", ["sh", "-c", 'echo "${param.p}"']):
        with pytest.raises(InvalidParameter, match="stands in a command"):
            filled({key: [command]}, {"p": value})


def test_the_names_are_those_that_are_filled_in() -> None:
    data = {"a": "${param.x} $${param.y}", "b": [{"c": "${param.z}"}]}
    assert names_in(data) == {"x", "z"}


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")))


@settings(max_examples=size(10, 2_000))
@given(st.lists(TEXT, min_size=50, max_size=50))
def test_a_text_stays_that_text_through_the_emitter(values: list[str]) -> None:
    """Whatever the value holds, the document has the same names, and the text as it was given."""
    data = {"whole": "${param.p}", "inside": "a: ${param.p}", "list": ["${param.p}"]}
    documents = {str(number): filled(data, {"p": value}) for number, value in enumerate(values)}
    for number, value in enumerate(values):
        assert documents[str(number)] == {"whole": value, "inside": f"a: {value}", "list": [value]}
    # One after the other in one document, for reading costs more than what is read.
    assert YamlDocuments().read(YamlDocuments().emit(documents), field="x") == documents
