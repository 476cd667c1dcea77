"""Sentences that a reader process may tell a client: it fills in only numbers and known words.

A slide may take the process over. So the parent forwards a text only if it is one of our sentences. Nothing that a file
contains can be part of one.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable
from functools import cache

COMPRESSIONS = {
    6: "old-style JPEG",
    22610: "JPEG XR",
    33003: "Aperio's JPEG 2000",
    33005: "Aperio's JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
"""Names by TIFF's Compression tag."""
_CZI_PIXELS = "GRAY8|GRAY16|GRAY32|GRAY64|GRAY32FLOAT|GRAY64COMPLEX|BGR24|BGR48|BGR96FLOAT|BGR192COMPLEX|BGRA32"
_PHOTOMETRICS = (
    "MONOCHROME[12]|RGB|HSV|ARGB|CMYK|XYB|PALETTE COLOR|YBR_FULL|YBR_FULL_422|YBR_PARTIAL_42[02]|YBR_ICT|YBR_RCT"
)
"""DICOM PS3.3, C.7.6.3.1.2."""
_NUMBER = r"-?(?:\d[\d.]{0,20}(?:e[+-]\d{1,3})?|inf|nan)"
_UNKNOWN = "unknown"


def _one_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in {*words})


def _dicom_names(kind: str) -> str:
    from pydicom._uid_dict import UID_dictionary  # noqa: PLC0415 (the parent needs it only after such an error)

    return _one_of(name for name, of_kind, *_ in UID_dictionary.values() if of_kind == kind)


_FIELDS: dict[str, Callable[[], str]] = {
    "axis": lambda: "focal planes|time points",
    "channels": lambda: rf"{_NUMBER} separate channels|one channel per page \(greyscale or fluorescence\)",
    "codec": lambda: "JPEG|JPEG 2000",
    "colours": lambda: "RGB|YCbCr",
    "compression_name": lambda: _one_of(COMPRESSIONS.values()),
    "container": lambda: "TIFF|DICOM",
    "czi_compression": lambda: "JPEG|JPEG XR|LZW",
    "czi_pixels": lambda: _CZI_PIXELS,
    "header_colours": lambda: rf"YCbCr|compression {_NUMBER}|{_PHOTOMETRICS}",
    "kinds": lambda: "(?:{0})(?:, (?:{0})){{0,9}}".format(_dicom_names("SOP Class")),
    "measured": lambda: rf"{_NUMBER}(?: × {_NUMBER})?",
    "organization": lambda: "3D|3D_TEMPORAL",
    "origin": lambda: rf"the request|the file|the objective power \({_NUMBER}x\)",
    "photometric": lambda: f"{_PHOTOMETRICS}|one sample per pixel",
    "plane": lambda: "the first|the one at the nominal focus",
    "samples_kind": lambda: "signed|floating-point",
    "syntax": lambda: _dicom_names("Transfer Syntax"),
    "true_colours": lambda: "RGB|YCbCr",
    "system_error": lambda: _one_of(os.strerror(number) for number in (0, *errno.errorcode)),
}
"""Regular expressions of the fields that hold words; all other fields hold a number."""


@cache
def _field(name: str) -> re.Pattern[str]:
    return re.compile(f"(?:{_FIELDS[name]() if name in _FIELDS else _NUMBER}|{_UNKNOWN})")


class Sentence(str):
    """A sentence for a client, perhaps with fields such as ``{width}`` or ``{mpp:g}``."""

    __slots__ = ()

    def __call__(self, **fields: float | str | None) -> str:
        """The sentence with its fields filled in; a word that is not known becomes "unknown"."""
        known = {
            name: value if isinstance(value, int | float) or _field(name).fullmatch(value or "") else _UNKNOWN
            for name, value in fields.items()
        }
        return self.format(**known)

    def matches(self, text: str) -> bool:
        """Whether ``text`` is this sentence with numbers and known words in its fields."""
        return _pattern(self).fullmatch(text) is not None


@cache
def _pattern(sentence: Sentence) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(?::\.?\w*)?\}", sentence)
    fixed, names = parts[::2], parts[1::2]
    fields = [_field(name).pattern for name in names]
    return re.compile("".join(re.escape(text) + field for text, field in zip(fixed, [*fields, ""], strict=True)))
