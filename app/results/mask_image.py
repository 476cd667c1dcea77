"""tissue_mask.png: what was taken for tissue."""

import numpy as np
from PIL import Image

from app.slides.types import BoolArray


def render_tissue_mask(tissue_mask: BoolArray) -> Image.Image:
    """8-bit grey picture in the thumbnail's frame (the whole level-0 extent): 255 tissue, 0 the rest."""
    return Image.fromarray(tissue_mask.astype(np.uint8) * 255)
