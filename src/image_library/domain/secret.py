"""Words that are never printed."""

from __future__ import annotations


class Secret:
    """Text that shows itself only to who asks for it; equal to nothing, in no log, no repr, no pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("A secret is not written down.")
