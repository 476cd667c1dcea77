"""Checks of names and numbers that people type, paste or scan, so that texts that look the same are the same.

A byte order mark before a case number, or a zero-width space in it, shows nowhere, yet makes it another case: erasing
the one that is read off a label would not find it.
"""

import unicodedata

from pydantic_core import PydanticCustomError

_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and symbols without a visible glyph: Hangul fillers and the empty Braille pattern."""
_NOTHING = frozenset({"undefined", "null", "None", "NaN", "[object Object]"})
"""Texts that JavaScript and Python write into a form for a missing value; no case has such a name."""
_FORBIDDEN = {
    "Cc": "a control character",
    "Cf": "an invisible formatting character",
    "Cs": "half of a surrogate pair",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
    "Zs": "a blank other than the plain space",
}


def identifier(value: object) -> object:
    """``value`` without blanks and invisible characters at its ends, for pydantic; what is no text goes through.

    PydanticCustomError for such a character inside, and for texts that programs write for a missing value.
    """
    if not isinstance(value, str):
        return value
    start, end = 0, len(value)
    while start < end and _is_blank(value[start]):
        start += 1
    while start < end and _is_blank(value[end - 1]):
        end -= 1
    text = value[start:end]
    if text in _NOTHING:
        raise PydanticCustomError(
            "no_value", "'{text}' is what programs write for no value. Leave the field out", {"text": text}
        )
    for place, character in enumerate(text, start=1):
        fault = _fault(character)
        if fault is not None:
            raise PydanticCustomError(
                "character",
                "character {place} is {fault} (U+{code}). Remove it, or type the text anew",
                {"place": place, "fault": fault, "code": f"{ord(character):04X}"},
            )
    return text


def _is_blank(character: str) -> bool:
    return character in _UNSEEN or unicodedata.category(character) in {"Cf", "Zl", "Zp", "Zs"} or character in "\t\r\n"


def _fault(character: str) -> str | None:
    if character == " ":
        return None
    if character in _UNSEEN:
        return "a letter that shows nothing"
    if ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF:
        return "not a character"
    return _FORBIDDEN.get(unicodedata.category(character))
