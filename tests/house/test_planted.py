"""The list of planted bugs fits the source, and is long enough to mean something."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.planted.bugs import ROOT, Bug, all_bugs

BUGS = all_bugs()
LEAST = 40


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(BUGS) >= LEAST
    assert [name for name, count in Counter(bug.id for bug in BUGS).items() if count > 1] == []


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_a_planted_bug_fits(bug: Bug) -> None:
    source = bug.path().read_text(encoding="utf-8")
    planted = bug.planted(source)
    assert planted != source
    ast.parse(planted)
    files = [word.partition("::")[0] for word in bug.tests if word.startswith("tests/")]
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []
