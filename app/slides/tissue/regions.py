"""Connected regions of a bool mask (8-connected), as runs of pixels along the rows, in numpy alone."""

from dataclasses import dataclass

import numpy as np

from app.slides.types import BoolArray, Int64Array


@dataclass(frozen=True)
class Regions:
    """The regions of one mask.

    A run is a stretch of True pixels in one row. Positions are flat, in rows of ``width + 1`` pixels: the extra one
    is never True, so that runs end with their row.

    - start, stop: int64 [R], the run's pixels are start to stop - 1
    - label: int64 [R], 0 to count - 1
    """

    height: int
    width: int
    start: Int64Array
    stop: Int64Array
    label: Int64Array
    count: int

    def areas(self) -> Int64Array:
        """Pixels of each region, int64 [count]."""
        return self._sum(self.stop - self.start)

    def counts(self, marked: BoolArray) -> Int64Array:
        """How many pixels of ``marked`` (bool [h, w]) lie in each region, int64 [count]."""
        flat = _padded(marked)
        total = np.cumsum(flat, dtype=np.int32)  # of its own pixel and all before
        return self._sum(total[self.stop - 1] - total[self.start] + flat[self.start])

    def boxes(self) -> Int64Array:
        """Bounding boxes x0, y0, x1, y1 (ends excluded), int64 [count, 4]."""
        pitch = self.width + 1
        row = self.start // pitch
        boxes = np.empty((self.count, 4), np.int64)
        boxes[:, :2], boxes[:, 2:] = max(self.height, self.width), 0
        np.minimum.at(boxes[:, 0], self.label, self.start % pitch)
        np.minimum.at(boxes[:, 1], self.label, row)
        np.maximum.at(boxes[:, 2], self.label, self.stop - row * pitch)
        np.maximum.at(boxes[:, 3], self.label, row + 1)
        return boxes

    def touch_edge(self) -> BoolArray:
        """Which regions reach the picture's edge, bool [count]."""
        row, column = np.divmod(self.start, self.width + 1)
        end = self.stop - row * (self.width + 1)
        outermost = (row == 0) | (row == self.height - 1) | (column == 0) | (end == self.width)
        touching = np.zeros(self.count, np.bool_)
        touching[self.label[outermost]] = True
        return touching

    def mask(self, keep: BoolArray) -> BoolArray:
        """The regions with ``keep`` (bool [count]) as one mask, bool [h, w]."""
        kept = keep[self.label]
        edges = np.zeros(self.height * (self.width + 1) + 1, np.int8)
        edges[self.start[kept]] = 1
        edges[self.stop[kept]] = -1
        flat = np.cumsum(edges[:-1], dtype=np.int8).astype(np.bool_)
        return np.ascontiguousarray(flat.reshape(self.height, self.width + 1)[:, :-1])

    def _sum(self, values: Int64Array) -> Int64Array:
        total = np.zeros(self.count, np.int64)
        np.add.at(total, self.label, values)
        return total


def find_regions(mask: BoolArray) -> Regions:
    """The 8-connected regions of a bool [h, w] mask, in order of their first pixel."""
    height, width = mask.shape
    edges = np.diff(_padded(mask).view(np.int8), prepend=np.int8(0), append=np.int8(0))
    start, stop = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    below = start + width + 1
    first = np.searchsorted(stop, below, side="left")
    last = np.searchsorted(start, stop + width + 1, side="right")
    touching = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(start)), touching)
    before = np.repeat(np.cumsum(touching) - touching, touching)
    lower = np.repeat(first, touching) + np.arange(len(upper)) - before
    roots = _join(len(start), upper, lower)
    unique, label = np.unique(roots, return_inverse=True)
    return Regions(height, width, start, stop, label.astype(np.int64), len(unique))


def keep_large(mask: BoolArray, min_px: float) -> BoolArray:
    """The mask without its regions of fewer than ``min_px`` pixels."""
    regions = find_regions(mask)
    return regions.mask(regions.areas() >= min_px)


def fill_small_holes(mask: BoolArray, max_px: float) -> BoolArray:
    """The mask with the gaps of at most ``max_px`` pixels filled that it encloses (a notch at the edge is no hole)."""
    gaps = find_regions(~mask)
    return mask | gaps.mask((gaps.areas() <= max_px) & ~gaps.touch_edge())


def dilate(mask: BoolArray, radius_px: int) -> BoolArray:
    """The mask grown by a square of 2 · radius_px + 1."""
    grown = mask.copy()
    for axis in (0, 1):
        source = grown.copy()
        along, out = (source, grown) if axis == 0 else (source.T, grown.T)
        for shift in range(1, radius_px + 1):
            out[shift:] |= along[:-shift]
            out[:-shift] |= along[shift:]
    return grown


def erode(mask: BoolArray, radius_px: int) -> BoolArray:
    """The mask shrunk by the same square; beyond the picture counts as inside."""
    return ~dilate(~mask, radius_px)


def close(mask: BoolArray, radius_px: int) -> BoolArray:
    """Gaps of up to 2 · radius_px closed, the outline kept."""
    return erode(dilate(mask, radius_px), radius_px)


def _padded(mask: BoolArray) -> BoolArray:
    height, width = mask.shape
    padded = np.zeros((height, width + 1), np.bool_)
    padded[:, :-1] = mask
    return padded.ravel()


def _join(n: int, upper: Int64Array, lower: Int64Array) -> Int64Array:
    """Union-find over all pairs at once: the smallest member of each one's set, int64 [n]."""
    root = np.arange(n)
    while True:
        a, b = root[upper], root[lower]
        apart = a != b
        if not apart.any():
            return root
        upper, lower, a, b = upper[apart], lower[apart], a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while True:
            shorter = root[root]
            if np.array_equal(shorter, root):
                break
            root = shorter
