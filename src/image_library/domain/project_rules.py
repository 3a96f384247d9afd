"""Settings that are rules: one for everybody, and others for single projects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from image_library.domain.errors import InvalidSettings, printable

Rule = TypeVar("Rule")

# For whom a rule is that names no project.
EVERYBODY = ""
_PROJECT = re.compile(r"[^\x00-\x20\x7f=,]{1,200}")


def parse_rules(
    rules: Sequence[str], words: Mapping[str, Rule], *, setting: str, form: str
) -> dict[str, Rule]:
    """What each project's rule is, and EVERYBODY's. ``form`` ends a sentence: what a rule may look like.

    Raises:
        InvalidSettings: a rule cannot be read, or two are for the same.
    """
    found: dict[str, Rule] = {}
    for rule in rules:
        project, equals, word = rule.rpartition("=")
        project, word = project.strip(), word.strip().lower()
        if word not in words or (equals and not _PROJECT.fullmatch(project)):
            raise InvalidSettings(f"'{printable(rule)}' is {form}.", field=setting)
        if project in found:
            raise InvalidSettings(
                f"{setting} has two rules for {printable(project) or 'everybody'}.", field=setting
            )
        found[project] = words[word]
    return found


def whose_rule(project: str, rules: Mapping[str, Rule]) -> str:
    """Who demands it, in words."""
    return f"project '{printable(project)}'" if project in rules else "this site"
