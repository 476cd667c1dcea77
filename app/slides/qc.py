"""The slide's quality figures in one place: stain and focus (ink and darkness come with the tissue masks)."""

from app.slides.sharpness import out_of_focus_fraction, sharpness
from app.slides.stain import stain_is_he

__all__ = ["out_of_focus_fraction", "sharpness", "stain_is_he"]
