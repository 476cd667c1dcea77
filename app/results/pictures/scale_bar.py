"""A scale bar of a round length."""

import math
from dataclasses import dataclass

_ROUNDING = 1 + 1e-9
"""log10 rounds up what lies a bit below a power of ten: then no step would fit."""


@dataclass(frozen=True)
class ScaleBar:
    """``length_px`` in the picture it was made for; ``label`` such as ``2 mm`` or ``500 µm``."""

    length_um: float
    length_px: int
    label: str


def scale_bar(um_per_px: float, longest_px: float) -> ScaleBar:
    """The longest bar of 1, 2 or 5 × 10^k µm that fits into ``longest_px`` of a picture of ``um_per_px``."""
    longest_um = um_per_px * longest_px * _ROUNDING
    decade = 10.0 ** math.floor(math.log10(longest_um))
    length_um = max(step * decade for step in (1, 2, 5) if step * decade <= longest_um)
    label = f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} µm"
    return ScaleBar(length_um, round(length_um / um_per_px), label)
