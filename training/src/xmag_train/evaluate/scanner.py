"""The same glass on two scanners: how far its embeddings move, against how far two other slides lie apart."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xmag_train.cohort.table import read_rows
from xmag_train.mil.bags import read_bag


@dataclass(frozen=True)
class ScannerShift:
    """Median cosine of the mean embeddings (less the mean of all) of a pair's slides, and of slides of other pairs."""

    arm: str
    pairs: int
    same_glass: float
    other_glass: float


def scanner_shift(arm: str, folder: Path, pairs_csv: Path) -> ScannerShift:
    """ValueError for fewer than two pairs: there is nothing to compare with."""
    pairs = [(row["slide_a"], row["slide_b"]) for row in read_rows(pairs_csv, ["slide_a", "slide_b"])]
    if len(pairs) < 2:
        raise ValueError(f"{pairs_csv.name}: scanner shift needs at least two pairs")
    first, second = (
        np.stack([read_bag(folder / f"{pair[side]}.h5").features.mean(axis=0) for pair in pairs]) for side in (0, 1)
    )
    centre = np.concatenate([first, second]).mean(axis=0)
    first, second = first - centre, second - centre
    cosines = (first @ second.T) / np.outer(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    off = ~np.eye(len(pairs), dtype=bool)
    return ScannerShift(arm, len(pairs), float(np.median(np.diag(cosines))), float(np.median(cosines[off])))
