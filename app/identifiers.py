"""Checks of names and numbers that people type, paste or scan, so that texts that look the same are the same.

A byte order mark before a case number, or a zero-width space in it, is invisible but makes it another case. Erasing the
case that a person reads off a label would not find it.
"""

import unicodedata
from typing import Final, NamedTuple

NO_VALUE: Final = frozenset({"undefined", "null", "None", "NaN", "[object Object]"})
"""Texts that JavaScript and Python write into a form for a missing value; no case has such a name."""
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and symbols without a visible glyph: Hangul fillers and the empty Braille pattern."""
_FORBIDDEN = {
    "Cc": "a control character",
    "Cf": "an invisible formatting character",
    "Cs": "half of a surrogate pair",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
    "Zs": "a blank other than the plain space",
}


class Fault(NamedTuple):
    """A character that an identifier must not have. ``place``: from 1; ``kind``: in words."""

    place: int
    kind: str


def trimmed(text: str) -> str:
    """``text`` without blanks and invisible characters at its ends."""
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while start < end and _is_blank(text[end - 1]):
        end -= 1
    return text[start:end]


def fault(text: str) -> Fault | None:
    """The first character that cannot be seen, or not be told from another."""
    if text.isascii() and text.isprintable():
        return None
    for place, character in enumerate(text, start=1):
        kind = _kind(character)
        if kind is not None:
            return Fault(place, kind)
    return None


def _is_blank(character: str) -> bool:
    return character in _UNSEEN or unicodedata.category(character) in {"Cf", "Zl", "Zp", "Zs"} or character in "\t\r\n"


def _kind(character: str) -> str | None:
    if character == " ":
        return None
    if character in _UNSEEN:
        return "a letter that shows nothing"
    if ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF:
        return "not a character"
    return _FORBIDDEN.get(unicodedata.category(character))
