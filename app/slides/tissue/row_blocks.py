"""A picture in strips of rows: what is computed pixel by pixel stays in a core's cache and takes little memory."""

from collections.abc import Iterator

STRIP_ROWS = 48


def strips(height: int) -> Iterator[slice]:
    """Slices of rows, in order, that make up ``height``."""
    for start in range(0, height, STRIP_ROWS):
        yield slice(start, min(start + STRIP_ROWS, height))
