"""Which level of the pyramid to read, and how much coarser it really is than level 0."""

from app.errors import ResolutionTooLowError
from app.slides.types import SlideInfo

ENLARGEMENT_MAX = 0.06
_ROUNDING = 1e-6


def true_downsample(size0: tuple[int, int], size: tuple[int, int]) -> float:
    """How many level-0 px make one px of a level with ``size`` (width, height).

    Scanners shrink by whole numbers and drop the rest of the last row and column (17883 px at 1/4 are 4470), so
    that the quotient of the sizes, 4.0007, would be off by most of a pixel at the far edge. A whole number that
    explains both sizes to less than a pixel is taken for the truth; else the mean quotient. The longer side is asked
    first: of a strip's few px across, what was dropped is a large part.
    """
    quotients = (size0[0] / size[0], size0[1] / size[1])
    mean = sum(quotients) / 2
    for quotient in (quotients[int(size0[1] > size0[0])], mean):
        whole = round(quotient)
        if all(abs(full / whole - part) < 1 for full, part in zip(size0, size, strict=True)):
            return float(whole)
    return mean


def choose_level(info: SlideInfo, target_mpp: float, tolerance: float = 0.0) -> int:
    """The coarsest level whose µm/px is at most ``target_mpp`` · (1 + ``tolerance``); level 0 if none is.

    Raises ResolutionTooLowError when level 0 is more than 6 % coarser than the target.
    """
    if info.mpp > target_mpp * (1 + ENLARGEMENT_MAX) * (1 + _ROUNDING):
        raise ResolutionTooLowError(
            f"The scan has {info.mpp:g} µm/px, the model needs {target_mpp:g}: scan at a higher magnification."
        )
    return coarsest_level(info, coarsest_mpp(target_mpp, tolerance))


def coarsest_mpp(target_mpp: float, tolerance: float) -> float:
    """The µm/px up to which a level will do, with what rounding adds."""
    return target_mpp * (1 + tolerance) * (1 + _ROUNDING)


def coarsest_level(info: SlideInfo, limit_mpp: float) -> int:
    """The coarsest level of at most ``limit_mpp`` µm/px; level 0 if none is as fine."""
    fitting = [level for level, ds in enumerate(info.level_downsamples) if info.mpp * ds <= limit_mpp]
    return max(fitting, key=lambda level: info.level_downsamples[level], default=0)
