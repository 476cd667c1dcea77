"""Which number of each tile a layer shows, and where it stands on the scale of colours."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.errors import RequestInvalidError, TaskNotFoundError
from app.results.heads import shown_map
from app.results.percentile import attention_percentiles
from app.results.slide_result import TileMaps
from app.slides.types import Float32Array

Scale = Literal["percentile", "raw"]
Quantity = Literal["attention", "tile_scores"]


@dataclass(frozen=True)
class TileValues:
    """values: float32 [N]; ``label``: the class they belong to, None for shared attention."""

    quantity: Quantity
    task: str
    label: str | None
    values: Float32Array


def tile_values(
    maps: TileMaps, task: str | None = None, label: str | None = None, quantity: Quantity | None = None
) -> TileValues | None:
    """The numbers for ``task`` (default: the first) and, where they are per class, for ``label``.

    ``quantity`` defaults to attention, except where a class is asked for that only tile scores have. None where the
    head has no attention. TaskNotFoundError for an unknown task or class, RequestInvalidError for a class of shared
    attention and for tile scores that the head does not give.
    """
    shown = shown_map(maps, task, None)
    name = shown.prediction.task
    head = next(head for head in maps.heads if head.task == name)
    per_class = shown.prediction.attention_kind == "per_class"
    if quantity is None:
        quantity = (
            "tile_scores" if label is not None and not per_class and head.tile_scores is not None else "attention"
        )
    if quantity == "tile_scores":
        if head.tile_scores is None:
            raise RequestInvalidError(f"Task {name} gives no scores of single tiles.")
        chosen = label or shown.prediction.positive_class or head.labels[-1]
        return TileValues(quantity, name, chosen, head.tile_scores[:, _position(head.labels, chosen, name)])
    if label is not None and not per_class:
        raise RequestInvalidError(f"The attention of task {name} is shared by all classes: leave out `class`.")
    shown = shown_map(maps, task, label)
    return None if shown.attention is None else TileValues(quantity, name, shown.label, shown.attention)


def places(values: Float32Array, scale: Scale) -> Float32Array:
    """Where each value (float32 [N]) stands from 0 to 100: its percentile, or linear from the least to the most."""
    if scale == "percentile":
        return attention_percentiles(values)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.full(len(values), 100.0, np.float32)
    return ((values - np.float32(low)) * np.float32(100.0 / (high - low))).clip(0, 100).astype(np.float32)


def _position(labels: tuple[str, ...], label: str, task: str) -> int:
    if label not in labels:
        raise TaskNotFoundError(f"task {task} has no class {label}; it has {', '.join(labels)}")
    return labels.index(label)
