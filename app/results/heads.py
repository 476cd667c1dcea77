"""The map that opens first, for each task: its quantity and its class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.errors import RequestInvalidError, TaskNotFoundError
from app.results.schema import PredictionPart
from app.results.slide_result import HeadMap, TileMaps
from app.slides.types import Float32Array

Quantity = Literal["attention", "tile_scores"]


@dataclass(frozen=True)
class TileValues:
    """One number per tile: float32 [N]. ``label``: their class, None for shared attention."""

    quantity: Quantity
    label: str | None
    values: Float32Array


@dataclass(frozen=True)
class ShownMap:
    """The map of one task; ``tiles`` is None if the head has neither scores nor attention."""

    prediction: PredictionPart
    tiles: TileValues | None


def shown_map(
    maps: TileMaps, task: str | None = None, label: str | None = None, quantity: Quantity | None = None
) -> ShownMap:
    """The map of ``task`` (default: the first). Unless asked otherwise, it is the one that opens first.

    Raises TaskNotFoundError for an unknown task or class. Raises RequestInvalidError for a quantity that the head does
    not give, and for a class of shared attention.
    """
    head, prediction = _head(maps, task)
    if label is not None and label not in head.labels:
        raise TaskNotFoundError(f"task {head.task} has no class {label}; it has {', '.join(head.labels)}")
    if quantity == "tile_scores" and head.tile_scores is None:
        raise RequestInvalidError(f"Task {head.task} gives no tile scores.")
    if quantity == "attention" and head.attention is None:
        raise RequestInvalidError(f"Task {head.task} gives no attention.")
    chosen = label or opening_class(prediction.labels, prediction.positive_class, prediction.probabilities)
    tiles = opening_values(head, chosen, quantity)
    if label is not None and tiles is not None and tiles.label is None:
        raise RequestInvalidError(f"The attention of task {head.task} is shared by all classes: leave out `class`.")
    return ShownMap(prediction, tiles)


def opening_values(head: HeadMap, label: str, quantity: Quantity | None = None) -> TileValues | None:
    """Tile scores of ``label`` if the head gives them, else attention for ``label`` or for all classes.

    ``quantity``: overrides that choice. None if the head has neither.
    """
    if head.tile_scores is not None and quantity != "attention":
        return TileValues("tile_scores", label, head.tile_scores[:, head.labels.index(label)])
    if head.attention is None:
        return None
    if len(head.attention) == 1:
        return TileValues("attention", None, head.attention[0])
    return TileValues("attention", label, head.attention[head.labels.index(label)])


def head_values(head: HeadMap, prediction: PredictionPart) -> list[TileValues]:
    """All its maps, the one that opens first before the others."""
    first = opening_class(prediction.labels, prediction.positive_class, prediction.probabilities)
    labels = sorted(head.labels, key=lambda name: name != first)
    found: list[TileValues] = []
    if head.tile_scores is not None:
        found += [TileValues("tile_scores", label, head.tile_scores[:, head.labels.index(label)]) for label in labels]
    if head.attention is not None and len(head.attention) == 1:
        found.append(TileValues("attention", None, head.attention[0]))
    elif head.attention is not None:
        found += [TileValues("attention", label, head.attention[head.labels.index(label)]) for label in labels]
    return found


def opening_class(labels: Sequence[str], positive_class: str | None, scores: Mapping[str, float]) -> str:
    """The class whose map opens first: the manifest's positive class; without one, the last of two classes, else the
    class with the highest score.
    """
    if positive_class is not None:
        return positive_class
    return labels[-1] if len(labels) == 2 else max(labels, key=lambda label: scores[label])


def _head(maps: TileMaps, task: str | None) -> tuple[HeadMap, PredictionPart]:
    predictions = {prediction.task: prediction for prediction in maps.document.predictions}
    heads = {head.task: head for head in maps.heads}
    wanted = task if task is not None else maps.document.predictions[0].task
    if wanted not in predictions or wanted not in heads:
        raise TaskNotFoundError(f"the result has no task {wanted}; it has {', '.join(predictions)}")
    return heads[wanted], predictions[wanted]
