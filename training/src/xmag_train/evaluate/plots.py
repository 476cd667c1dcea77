"""The report's pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import roc_curve

from xmag_train.evaluate.retention import Retention
from xmag_train.metrics.bootstrap import RETENTION_MARGIN

COLOURS = {"met": "#1b7837", "missed": "#b2182b", "inconclusive": "#666666"}


def plot_differences(rows: Sequence[Retention], path: Path) -> None:
    """Arm minus teacher with its interval, one line a row; the margin is dashed."""
    shown = [row for row in rows if row.difference is not None]
    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.45 * max(1, len(shown))), layout="constrained")
    for at, row in enumerate(reversed(shown)):
        assert row.difference is not None and row.verdict is not None
        colour = COLOURS[row.verdict]
        axes.plot([row.difference.ci_low, row.difference.ci_high], [at, at], color=colour, linewidth=2)
        axes.plot(row.difference.value, at, "o", color=colour)
    axes.set_yticks(range(len(shown)), [f"{row.arm}: {row.figure.replace('_', ' ')}" for row in reversed(shown)])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axvline(-RETENTION_MARGIN, color="black", linewidth=0.8, linestyle="--")
    axes.set_xlabel("difference to the 20x teacher (95 % interval, bootstrap of cases)")
    _save(figure, path)


def plot_roc(logits: Mapping[str, NDArray[np.float64]], positive: NDArray[np.bool_], index: int, path: Path) -> None:
    """ROC curves of out-of-fold scores of class ``index``; ties are one step."""
    figure, axes = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
    for name, values in logits.items():
        scores = softmax(values, axis=1)[:, index]
        false, true, _ = roc_curve(positive, scores)
        axes.plot(false, true, label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.legend(loc="lower right", fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    draft = path.with_name(f".{path.stem}.part.png")
    figure.savefig(draft, dpi=130)
    plt.close(figure)
    draft.replace(path)
