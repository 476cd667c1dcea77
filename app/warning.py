"""Warnings of a result: ``code: sentence``, so that programs branch on the code and people read the sentence."""

import re
from collections.abc import Iterable
from typing import Final, Literal, get_args

WarningCode = Literal[
    "bag_size_out_of_range",
    "colours_corrected",
    "dark_area",
    "identity_differs",
    "mpp_differs",
    "organ_out_of_domain",
    "out_of_focus",
    "part_left_out",
    "pen_ink",
    "stain_not_he",
    "stain_out_of_domain",
    "tiles_below_tissue_min",
]
OUT_OF_DOMAIN: Final = frozenset({"stain_not_he", "stain_out_of_domain", "organ_out_of_domain"})
"""Of a stain or organ that the model does not know."""
WARNING_CODES: Final[tuple[str, ...]] = get_args(WarningCode)
_CODED: Final = re.compile(r"([a-z_0-9]+): ")


def voids(outside: Iterable[str]) -> bool:
    """Whether a score outside for these reasons says nothing; more or less tissue only makes it less certain."""
    return {*outside} != {"bag_size_out_of_range"}


def coded(code: WarningCode, sentence: str) -> str:
    """The warning as it stands in a result."""
    return f"{code}: {sentence}"


def is_coded(warning: str) -> bool:
    """Whether it begins with a known code."""
    found = _CODED.match(warning)
    return found is not None and found[1] in WARNING_CODES


def code_of(warning: str) -> str | None:
    """Its code; None for one without, as results of older versions have them."""
    found = _CODED.match(warning)
    return None if found is None else found[1]


def sentence_of(warning: str) -> str:
    """The sentence alone, for people; results of older versions have warnings without a code."""
    found = _CODED.match(warning)
    sentence = warning[found.end() :] if found else warning
    return sentence[:1].upper() + sentence[1:]
