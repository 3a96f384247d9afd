"""Texts that people write for other people: what cannot be seen, or turns what can be, is refused."""

from __future__ import annotations

import unicodedata

from image_library.domain.errors import InvalidCharacter, InvalidRequest, printable

# Control, format (zero width, right to left), surrogate and private characters, and odd line ends.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def readable(text: str, *, field: str, most: int, lines: bool = False) -> str:
    """``text`` if everybody who reads it sees all of it, in the order in which it was written.

    ``lines``: it may have several.

    Raises:
        InvalidCharacter: it has one that is not seen; the sentence says where.
        InvalidRequest: it has more than ``most`` characters.
    """
    if len(text) > most:
        raise InvalidRequest(f"The {field} has {len(text)} characters; at most {most} are kept.", field=field)
    for position, character in enumerate(text, 1):
        if unicodedata.category(character) in _UNSEEN and not (lines and character == "\n"):
            raise InvalidCharacter(
                f"The {field} has the character U+{ord(character):04X} at position {position}.", field=field
            )
    return text


def named(text: str, *, field: str, most: int) -> str:
    """``text`` if it is readable and not empty. Raises as ``readable``."""
    if not text.strip():
        raise InvalidRequest(f"The {field} is empty: '{printable(text)}'.", field=field)
    return readable(text, field=field, most=most)
