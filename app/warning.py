"""Warnings of a result: ``code: sentence``, so that programs branch on the code and people read the sentence."""

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


def coded(code: WarningCode, sentence: str) -> str:
    """The warning as a result contains it."""
    return f"{code}: {sentence}"


def is_coded(warning: str) -> bool:
    """Whether it begins with a known code."""
    return ": " in warning and code_of(warning) in WARNING_CODES


def code_of(warning: str) -> str:
    """Its code."""
    return warning.partition(": ")[0]


def sentence_of(warning: str) -> str:
    """The sentence alone, for people."""
    sentence = warning.partition(": ")[2]
    return sentence[:1].upper() + sentence[1:]
