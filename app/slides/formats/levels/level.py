"""Chooses the level of the pyramid to read."""

from app.errors import ResolutionTooLowError
from app.slides.formats import reader_sentences as sentences
from app.slides.types import SlideInfo

ENLARGEMENT_MAX = 0.06
_ROUNDING = 1e-6


def choose_level(info: SlideInfo, target_mpp: float, tolerance: float = 0.0) -> int:
    """Index of the coarsest of ``info.levels`` with at most ``target_mpp`` · (1 + ``tolerance``) µm/px; 0 if none is.

    Raises ResolutionTooLowError when level 0 is more than 6 % coarser than the target.
    """
    if info.mpp > target_mpp * (1 + ENLARGEMENT_MAX) * (1 + _ROUNDING):
        raise ResolutionTooLowError(sentences.SCAN_TOO_COARSE(mpp=info.mpp, needed=target_mpp))
    return coarsest_level(info, coarsest_mpp(target_mpp, tolerance))


def coarsest_mpp(target_mpp: float, tolerance: float) -> float:
    """The µm/px up to which a level will do, with what rounding adds."""
    return target_mpp * (1 + tolerance) * (1 + _ROUNDING)


def coarsest_level(info: SlideInfo, limit_mpp: float) -> int:
    """Index of the coarsest of ``info.levels`` with at most ``limit_mpp`` µm/px; 0 if none is as fine."""
    fitting = [place for place, level in enumerate(info.levels) if info.mpp * level.downsample <= limit_mpp]
    return max(fitting, key=lambda place: info.levels[place].downsample, default=0)
