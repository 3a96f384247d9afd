"""A guest's serial console made harmless for a terminal.

What a guest prints can set titles, clear screens, or make a terminal type answers. Text, line breaks,
tabs and colours pass; every other control sequence is left out.
"""

from __future__ import annotations

import codecs
import re

# ECMA-48: CSI sequences; strings (OSC, DCS, SOS, PM, APC) up to BEL or ST; two-character escapes.
_SEQUENCE = re.compile(
    r"\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|(?:\x1b[\]PX^_])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?|[ -/]*)$")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
# Reading holds back an unfinished sequence, but no more than this of it.
LONGEST_HELD = 4096


class Harmless:
    """Makes a stream of console bytes harmless, over the borders of its pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """The part of ``data``, and of what was held back, that can be shown now."""
        text = self._held + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text) if len(text) < LONGEST_HELD else None
        cut = unfinished.start() if unfinished else len(text) - text.endswith("\r")
        self._held = text[cut:]
        return _shown(text[:cut])

    def finish(self) -> str:
        text = self._held + self._decoder.decode(b"", True)
        self._held = ""
        return _shown(text)


def _shown(text: str) -> str:
    """``text`` without control characters; colours, which need one, are put back between the pieces."""
    shown: list[str] = []
    at = 0
    for sequence in _SEQUENCE.finditer(text):
        shown += [_CONTROLS.sub("", text[at : sequence.start()]), _colour(sequence)]
        at = sequence.end()
    return "".join([*shown, _CONTROLS.sub("", text[at:])])


def _colour(sequence: re.Match[str]) -> str:
    is_colour = sequence["final"] == "m" and re.fullmatch(r"[0-9;:]*", sequence["parameters"])
    return sequence[0] if is_colour else ""
