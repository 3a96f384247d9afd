"""Patterns for parameters' values: classes and signs with counts, matched in time that grows with the text.

A regular expression from outside could keep its reader busy for ever; what this takes (no groups, no
alternatives) cannot, as every sign of the text is looked at once for each place in the pattern.
"""

from __future__ import annotations

import re

from image_library.domain.errors import InvalidProfile, printable

LONGEST_PATTERN = 256
MOST_PLACES = 1024
_CLASS = r"\[\^?\]?(?:\\[dwsDWS\\\]\[^-]|[^\\\]\[])+\]"
_ONE = rf"{_CLASS}|\\[dwsDWS]|\\[^A-Za-z0-9]|[^\\()\[\]{{}}*+?|^$]"
_TOKEN = re.compile(rf"(?P<one>{_ONE})(?P<count>[*+?]|\{{[0-9]{{1,3}}(?:,[0-9]{{0,3}})?\}})?")
_ENDLESS = {"*": (0, None), "+": (1, None), "?": (0, 1), "": (1, 1)}


class Pattern:
    """A pattern that whole values are held against."""

    def __init__(self, text: str) -> None:
        """Raises: InvalidProfile: it is no pattern of this kind."""
        # Each place: what stands there, whether it may be left out, whether it may be repeated.
        self._places: list[tuple[re.Pattern[str], bool, bool]] = []
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None or len(text) > LONGEST_PATTERN:
                raise _refused(text)
            self._add(token["one"], *_counts(token["count"] or "", text))
            at = token.end()
        if len(self._places) > MOST_PLACES:
            raise _refused(text)

    def _add(self, one: str, least: int, most: int | None) -> None:
        try:
            sign = re.compile(one, re.DOTALL)
        except re.error:
            raise _refused(one) from None
        self._places += [(sign, False, False)] * least
        if most is None:
            self._places.append((sign, True, True))
        else:
            self._places += [(sign, True, False)] * (most - least)

    def matches(self, text: str) -> bool:
        """Whether the whole of ``text`` is such a value."""
        places = self._reached({0})
        for sign in text:
            step: set[int] = set()
            for place in places:
                if place < len(self._places) and self._places[place][0].fullmatch(sign):
                    step.add(place if self._places[place][2] else place + 1)
            places = self._reached(step)
            if not places:
                return False
        return len(self._places) in places

    def _reached(self, places: set[int]) -> set[int]:
        """These places and those behind what may be left out."""
        reached = set(places)
        for place in sorted(places):
            while place < len(self._places) and self._places[place][1] and place + 1 not in reached:
                place += 1
                reached.add(place)
        return reached


def _counts(count: str, text: str) -> tuple[int, int | None]:
    if count in _ENDLESS:
        return _ENDLESS[count]
    least, comma, most = count.strip("{}").partition(",")
    upper = (int(most) if most else None) if comma else int(least)
    if upper is not None and upper < int(least):
        raise _refused(text)
    return int(least), upper


def _refused(text: str) -> InvalidProfile:
    return InvalidProfile(
        f"'{printable(text)}' is no pattern that is taken.",
        remedy="Use signs and classes such as [a-z0-9-] with ?, *, + or {2,8}; no groups, no alternatives.",
        field="parameters.pattern",
    )
