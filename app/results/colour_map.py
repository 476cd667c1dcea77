"""Attention percentile → colour.

viridis (Nathaniel Smith, Stéfan van der Walt and Eric Firing for matplotlib, CC0): perceptually uniform, readable
with every common colour blindness and in grey print. Of its family it reads best on H&E, whose pink and purple it
leaves after the lowest third; inferno, magma and plasma stay among them and cividis is too pale at half opacity.
"""

from typing import Final

import numpy as np

from app.slides.types import Float32Array, UInt8Array

# Every 15th of viridis' 256 entries; straight lines between them stay within 5 of 255 of the original.
_ANCHORS: Final = (
    (68, 1, 84),
    (72, 23, 105),
    (71, 42, 122),
    (67, 61, 132),
    (61, 78, 138),
    (53, 94, 141),
    (46, 109, 142),
    (41, 123, 142),
    (35, 137, 142),
    (31, 151, 139),
    (33, 165, 133),
    (46, 179, 124),
    (70, 192, 111),
    (101, 203, 94),
    (137, 213, 72),
    (176, 221, 47),
    (216, 226, 25),
    (253, 231, 37),
)


def _lookup_table() -> UInt8Array:
    positions = np.linspace(0, 255, len(_ANCHORS))
    channels = [np.interp(np.arange(256), positions, values) for values in zip(*_ANCHORS, strict=True)]
    table: UInt8Array = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    table.flags.writeable = False
    return table


LOOKUP_TABLE: Final[UInt8Array] = _lookup_table()
"""uint8 [256, 3] RGB, from least to most."""


def colours(percentiles: Float32Array) -> UInt8Array:
    """RGB of each percentile (0 to 100): uint8 [..., 3]."""
    table: UInt8Array = LOOKUP_TABLE[np.rint(percentiles * 2.55).astype(np.intp)]
    return table
