"""A place on a scale of 0 to 100 → colour.

Sources: viridis and inferno by Nathaniel Smith, Stéfan van der Walt and Eric Firing for matplotlib (CC0). For cividis,
made for eyes without red or green: Nuñez, Anderton and Renslow, PLoS ONE 13:e0199239, 2018. All are perceptually
uniform, readable with every common colour blindness and in grey print.

The default is viridis, which reads best on H&E: it leaves pink and purple after the lowest third. With inferno most
colours stay among them, and cividis is pale at half opacity.
"""

from typing import Final, Literal

import numpy as np

from app.slides.types import Float32Array, UInt8Array

Palette = Literal["viridis", "cividis", "inferno"]

# Every 15th of 256 entries; straight lines between them stay within 11 of 255 of the original.
_ANCHORS: Final[dict[Palette, str]] = {
    "viridis": "440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e "
    "1f978b 21a585 2eb37c 46c06f 65cb5e 89d548 b0dd2f d8e219 fde725",
    "cividis": "00224e 002d68 163770 2e416d 3f4c6c 4e566c 5c616e 696b71 767676 "
    "838179 928c78 a09875 afa471 bfb06b cfbd62 dfca57 f0d846 fee838",
    "inferno": "000004 0a0722 1e0c45 380962 510e6c 69166e 801f6c 982766 b0315b "
    "c63d4d d94d3d e9612b f47918 fa9407 fcb014 f8cd37 f2ea69 fcffa4",
}


def _lookup_table(anchors: str) -> UInt8Array:
    stops = np.array([list(bytes.fromhex(stop)) for stop in anchors.split()], dtype=np.float64)
    positions = np.linspace(0, 255, len(stops))
    channels = [np.interp(np.arange(256), positions, values) for values in stops.T]
    table: UInt8Array = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    table.flags.writeable = False
    return table


DEFAULT_PALETTE: Final[Palette] = "viridis"
LOOKUP_TABLES: Final[dict[Palette, UInt8Array]] = {name: _lookup_table(text) for name, text in _ANCHORS.items()}
"""Palette → uint8 [256, 3] RGB, from least to most."""
LOOKUP_TABLE: Final[UInt8Array] = LOOKUP_TABLES[DEFAULT_PALETTE]


def colours(places: Float32Array, palette: Palette = DEFAULT_PALETTE) -> UInt8Array:
    """RGB of each place on the scale (0 to 100): uint8 [..., 3]."""
    table: UInt8Array = LOOKUP_TABLES[palette][np.rint(places * 2.55).astype(np.intp)]
    return table


def stops(palette: Palette) -> tuple[str, ...]:
    """Nine colours from least to most, evenly spaced, as ``#rrggbb``: enough to draw a legend."""
    return tuple(
        "#" + bytes(colour.tolist()).hex() for colour in LOOKUP_TABLES[palette][np.linspace(0, 255, 9).astype(int)]
    )
