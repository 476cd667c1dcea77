"""How large a slide's thumbnail is: known to both sides of the reader process before it is read."""

THUMBNAIL_MPP = 8.0
LONG_SIDE_MAX_PX = 4096


def thumbnail_size(width: int, height: int, mpp: float) -> tuple[int, int]:
    """(width, height) in px of the thumbnail of a slide: 8 µm/px, or coarser so that no side passes 4096 px."""
    thumbnail_mpp = max(THUMBNAIL_MPP, max(width, height) * mpp / LONG_SIDE_MAX_PX)
    scale = mpp / thumbnail_mpp
    return max(1, round(width * scale)), max(1, round(height * scale))
