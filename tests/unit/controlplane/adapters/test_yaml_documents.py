"""Whatever goes into a document comes out of it again, the same value of the same type."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.domain.errors import InvalidUserData

DOCUMENTS = YamlDocuments()
# All that passes the checks of the domain: no NUL, no lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXT | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
HOSTILE = (
    *("no", "yes", "on", "null", "~", "", " ", "1e3", "0x1f", "0o17", "012", "1_000", "y", "n", "<<", "="),
    *("12:30:45", "52:54:00:00:00:01", "2024-01-01", ".inf", ".nan", "!!python/object:os.system x", "!tag"),
    *("&anchor", "*alias", "- a", "a: b", "a #b", "#cloud-config", "|", ">", "%TAG", "@at", "`tick`", "'"),
    *('"', "\\", "{{ ds }}", "${x}", "a\nb", "\na", "a\n", "a\n\n", " a\n  b", "\ta\n\tb", "a \nb", "a\r\nb"),
    *(
        "\u0085",
        "\u2028",
        "\u2029",
        "\ufeff",
        "\x7f",
        "\x1b[0m",
        "\u202e",
        "🐧",
        "---",
        "...",
        "--- a",
        "? a",
    ),
    *(": a", "[a", "{a", "a]"),
)


def strictly(document: Any) -> str:
    """Printed, for 1 == True."""
    return repr(document)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_any_document_reads_back_the_same(document: dict[str, Any]) -> None:
    assert strictly(yaml.safe_load(DOCUMENTS.emit(document))) == strictly(document)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_wherever_it_stands(text: str) -> None:
    document = {"hostname": text, "packages": [text, [text]], text: {"deep": text}}
    written = DOCUMENTS.emit(document, header="#cloud-config")
    assert written.startswith("#cloud-config\n")
    assert strictly(yaml.safe_load(written)) == strictly(document)


@pytest.mark.parametrize("text", ["1e3", "0x1f", "0o17", "y", "n", "12"])
def test_what_other_readers_take_for_a_number_is_quoted(text: str) -> None:
    assert DOCUMENTS.emit({"a": text}) == f"a: '{text}'\n"


def test_shared_values_are_written_out_and_never_as_anchors() -> None:
    shared = ["x"]
    assert DOCUMENTS.emit({"a": shared, "b": shared}) == "a:\n  - x\nb:\n  - x\n"


def test_lines_are_not_folded_and_scripts_stay_readable() -> None:
    script = "set -e\nfor i in 1 2; do\n  echo $i\ndone\n"
    long = "word " * 200 + "end"
    written = DOCUMENTS.emit({"script": script, "long": long})
    assert "script: |\n  set -e\n  for i in 1 2; do\n    echo $i\n  done\n" in written
    assert f"long: {long}\n" in written


def test_reads_a_mapping() -> None:
    assert DOCUMENTS.read("instance-id: x\n1: {a: [b]}\n", field="meta_data") == {
        "instance-id": "x",
        "1": {"a": ["b"]},
    }


def test_aliases_within_measure_are_read() -> None:
    assert DOCUMENTS.read("a: &x [1]\nb: *x\n", field="user_data") == {"a": [1], "b": [1]}


LAUGHS = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9 if n else ['lol'])}]" for n in range(9))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a YAML mapping"),
        ("- a", "not a YAML mapping"),
        ("text", "not a YAML mapping"),
        ("a: [", "not valid YAML in line 1"),
        ("ok: 1\na: b: c", "not valid YAML in line 2"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("a: 2020-13-45", "not valid YAML"),
        ("a: \x01", "not valid YAML"),
        ("a: &a [*a]", "unfold"),
        (LAUGHS, "unfold"),
        ("[" * 5000, "not valid YAML"),
        ("a: 1\n---\nb: 1\n", "not valid YAML"),
    ],
)
def test_refuses_what_is_no_bounded_mapping(text: str, reason: str) -> None:
    with pytest.raises(InvalidUserData, match=reason) as refused:
        DOCUMENTS.read(text, field="network_config")
    assert refused.value.field == "network_config"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        document = DOCUMENTS.read(text, field="meta_data")
    except InvalidUserData:
        return
    assert all(isinstance(key, str) for key in document)
