"""Each attack and fault that the documents number has a test, and none of a series is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("formats", "downloads", "trust")
# Between a source and an image that may be used.
SERIES = [f"A{n:02}" for n in range(1, 27)] + [f"F{n:02}" for n in range(15, 31)]
_SPAN = re.compile(r"([AF])(\d\d)(?: to [AF](\d\d))?")


def rows() -> dict[str, list[str]]:
    """The tests' names by the number of what they are about."""
    found: dict[str, list[str]] = {}
    for document in DOCUMENTS:
        for line in (ROOT / f"docs/{document}.md").read_text().splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not line.startswith("| ") or not _SPAN.match(cells[0]):
                continue
            for kind, first, last in _SPAN.findall(cells[0]):
                for number in range(int(first), int(last or first) + 1):
                    found.setdefault(f"{kind}{number:02}", []).extend(re.findall(r"`(test_\w+)`", cells[-1]))
    return found


@pytest.mark.parametrize("number", SERIES)
def test_each_has_a_row_with_tests_that_exist(number: str) -> None:
    named = rows().get(number, [])
    assert named, f"no document has a row with tests for {number}"
    for name in named:
        assert list((ROOT / "tests").rglob(f"{name}.py")), f"{number} names {name}, which is no test"
