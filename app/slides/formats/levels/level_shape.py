"""Possible downsample factors of a level, by its size.

Writers round each side to a whole pixel, up or down, or fill the level up to whole tiles. So a side of ``part`` px
is possible for any full side between (part - 1) and (part + 1) times the factor. Filled up, the lower bound is (part -
tile) times the factor. Both sides must allow the same factor; an image of another shape, like most labels, allows none.
"""

import math

CANDIDATES_MAX = 12
"""Most factors tried for a padded level."""

Size = tuple[int, int]
"""(width, height) in px."""


def rounded_downsample(size0: Size, size: Size) -> float | None:
    """Level-0 px per px of a level of ``size``, if sides are rounded to a pixel; None if the sides disagree.

    Scanners shrink by whole numbers and drop the rest of the last row and column (17883 px at 1/4 are 4470). The
    quotient of the sizes, 4.0007, would be off by most of a pixel at the far edge. A whole number that
    explains both sides to less than a pixel is taken for the truth; else the mean quotient. The longer side is asked
    first: of a strip's few px across, what was dropped is a large part.
    """
    quotients = (size0[0] / size[0], size0[1] / size[1])
    longer, mean = quotients[int(size0[1] > size0[0])], sum(quotients) / 2
    for factor in (round(longer), round(mean), mean, longer):
        if factor >= 1 and all(abs(full / factor - part) < 1 for full, part in zip(size0, size, strict=True)):
            return float(factor)
    return None


def filled_downsamples(size0: Size, size: Size, tile: Size, most: float) -> tuple[float, ...]:
    """Integer factors up to ``most`` that explain a level padded to complete tiles of ``tile`` px.

    Where too many do, powers of two. Nothing where ``size`` is no whole number of tiles on both sides.
    """
    if not _is_whole_tiles(size, tile):
        return ()
    lowest = max(full / part for full, part in zip(size0, size, strict=True))
    limits = [full / (part - side) for full, part, side in zip(size0, size, tile, strict=True) if part > side]
    first, end = max(2, math.ceil(lowest)), min([*limits, most])
    whole = range(first, math.ceil(end) + (end == most))
    if len(whole) > CANDIDATES_MAX:
        return tuple(float(2**power) for power in range(1, 64) if 2**power in whole)[:CANDIDATES_MAX]
    return tuple(map(float, whole))


def is_filled(size0: Size, size: Size, tile: Size, downsample: float) -> bool:
    """Whether a level of ``size`` may be level 0 shrunk by ``downsample`` and padded to complete tiles."""
    if not _is_whole_tiles(size, tile):
        return False
    needed = [full / downsample for full in size0]
    return all(part - side < need < part + 1 for part, side, need in zip(size, tile, needed, strict=True))


def content_size(size0: Size, size: Size, downsample: float) -> Size:
    """The part of a level that shows the slide, from its top left: everything except padding."""
    width, height = (min(part, math.ceil(full / downsample)) for full, part in zip(size0, size, strict=True))
    return width, height


def _is_whole_tiles(size: Size, tile: Size) -> bool:
    return min(tile) > 0 and not any(part % side for part, side in zip(size, tile, strict=True))
