"""Whether a slide's tissue has the colours of haematoxylin and eosin.

Both absorb most in green. The ratios of optical density, red / green and blue / green, lie near 0.93 and 0.41 for
haematoxylin, 0.07 and 0.11 for eosin. They are 0.47 and 1.37 for the brown DAB of immunohistochemistry. Scanners and
red cells move H&E to 0.2-0.85 and 0.4-0.95, measured on 61 slides. Source of the vectors: Ruifrok & Johnston, Anal
Quant Cytol Histol 23:291-299, 2001.

Other stains show in three ways:

- brown pixels;
- mostly blue pixels (a counterstain alone, trichrome, Giemsa);
- a blue counterstain under a red chromogen: dense pixels are redder than pale ones. In H&E the dense pixels are nuclei
  and bluer.
"""

import numpy as np

from app.slides.tissue.box_filter import block_mean, box_mean
from app.slides.tissue.colour import background_colour, optical_density
from app.slides.types import BoolArray, Float32Array, UInt8Array

_MIN_PIXELS = 100
_MAX_PIXELS = 1_000_000  # of the picture looked at; larger ones are averaged down
_MIN_DENSITY = 0.06  # mean of the channels; below, the quotients are noise
_BROWN = 1.05  # blue / green; red cells reach 1.0
_MAX_BROWN_SHARE = 0.05
_BLUE = 0.85  # red / green
_BLUE_MAX_BLUE = 0.80  # blue / green; above, it is grey
_MAX_BLUE_SHARE = 0.40
_COUNTERSTAIN_SHARE = 0.03  # of the tissue; with redder dense pixels no H&E slide passed 0.016
_REDDER_WHEN_DENSE = -0.05  # red / green of the densest tenth, less that of the paler half


def stain_is_he(thumbnail: UInt8Array, tissue: BoolArray) -> bool | None:
    """True for H&E colours, False for others, None where less than 100 stained pixels tell.

    thumbnail: uint8 [h, w, 3]; tissue: bool [h, w]. Tells IHC with DAB or a red chromogen, blue-only and trichrome
    stains; not every special stain (PAS with haematoxylin is magenta and violet like H&E).
    """
    density = _stained_density(thumbnail, tissue)
    if density.shape[1] < _MIN_PIXELS:
        return None
    red, green, blue = density
    green = np.maximum(green, 1e-3)
    red_share, blue_share = red / green, blue / green
    is_brown = (blue_share > _BROWN) & (red_share < _BLUE)
    is_blue = ((red_share > _BLUE) & (blue_share < _BLUE_MAX_BLUE)) | ((red_share > 1.05) & (red > 1.05 * blue))
    if is_brown.mean() > _MAX_BROWN_SHARE or is_blue.mean() > _MAX_BLUE_SHARE:
        return False
    amount = density.sum(axis=0)
    pale, dense = amount <= np.percentile(amount, 50), amount >= np.percentile(amount, 90)
    redder = float(np.median(red_share[dense]) - np.median(red_share[pale]))
    return not (is_blue.mean() > _COUNTERSTAIN_SHARE and redder < _REDDER_WHEN_DENSE)


def _stained_density(thumbnail: UInt8Array, tissue: BoolArray) -> Float32Array:
    """Optical densities of the tissue's pixels that carry stain, float32 [3, n]."""
    factor = int(np.ceil(np.sqrt(tissue.size / _MAX_PIXELS)))
    # Single pixels are noisy: averaged either way.
    smooth = block_mean(thumbnail, factor) if factor > 1 else box_mean(thumbnail)
    pixels = smooth[tissue[::factor, ::factor]]
    density = optical_density(pixels[None], background_colour(thumbnail))[:, 0]
    return density[:, density.mean(axis=0) >= _MIN_DENSITY]
