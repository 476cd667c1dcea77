"""A small cohort on disk whose malignant slides are told by one feature, for the tests of heads and reports."""

from pathlib import Path

import numpy as np

from xmag_train.data.cohort.table import write_rows
from xmag_train.mil.bags import Bag, write_bag

LABELS = ["benign", "malignant"]


def make_cohort(root: Path, cases: int = 12, slides_of_first: int = 2) -> list[tuple[str, str, str, str]]:
    """labels.csv (slide, case, site, organ, grade) and folds.csv of 3 folds; the rows."""
    rows = []
    for case in range(cases):
        label = LABELS[case % 2]
        for slide in range(slides_of_first if case == 0 else 1):
            site = ("north", "south")[case // 2 % 2]
            rows.append((f"s{case}-{slide}", f"c{case}", site, ("liver", "lung")[case // 2 % 2], label))
    write_rows(root / "labels.csv", ["slide", "case", "site", "organ", "grade"], rows)
    write_rows(root / "folds.csv", ["case", "fold"], [(f"c{case}", case // 2 % 3) for case in range(cases)])
    return rows


def make_bags(root: Path, name: str, rows: list[tuple[str, ...]], signal: float, width: int = 8, tiles: int = 6) -> str:
    """Bags in which feature 0 of half of a malignant slide's tiles is higher by ``signal``; the folder."""
    rng = np.random.default_rng(len(name))
    for slide, _, _, _, label in rows:
        features = rng.normal(size=(tiles, width)).astype(np.float32)
        if label == "malignant":
            features[: tiles // 2, 0] += signal
        coords = np.stack([np.arange(tiles) * 1792, np.zeros(tiles)], axis=1).astype(np.int64)
        write_bag(root / name / f"{slide}.h5", Bag(features, coords, {"encoder": name, "encoder_sha256": name}))
    return str(root / name)


def mil_task(root: Path, **more: object) -> dict[str, object]:
    """A task of `evaluate` on that cohort; its arms, and whatever else it states, are ``more``."""
    return {
        "kind": "mil",
        "name": "grade",
        "task": "grade",
        "labels": LABELS,
        "labels_csv": root / "labels.csv",
        "folds_csv": root / "folds.csv",
        **more,
    }
