"""One task's prediction together with its map, and the class that its picture shows."""

from dataclasses import dataclass

from app.errors import TaskNotFoundError
from app.results.schema import PredictionPart
from app.results.slide_result import HeadMap, TileMaps
from app.slides.types import Float32Array


@dataclass(frozen=True)
class ShownMap:
    """What a picture of one task shows.

    attention: float32 [N] raw weights, or None if the head has none; ``label``: the class they belong to, None where
    attention is shared (it carries no class) or absent.
    """

    prediction: PredictionPart
    attention: Float32Array | None
    label: str | None


def shown_map(result: TileMaps, task: str | None = None, label: str | None = None) -> ShownMap:
    """The attention to draw for ``task`` (default: the first) and, where attention is per class, for ``label``.

    Default class: the head's positive class, else its top label, else the one with the highest probability.
    Raises TaskNotFoundError if the result has no such task, or its map no such class.
    """
    head, prediction = _head(result, task)
    if prediction.attention_kind == "none" or head.attention is None:
        return ShownMap(prediction, None, None)
    if prediction.attention_kind == "shared":
        return ShownMap(prediction, head.attention[0], None)
    chosen = label or default_label(prediction)
    if chosen not in head.labels:
        raise TaskNotFoundError(f"task {prediction.task} has no class {chosen}; it has {', '.join(head.labels)}")
    return ShownMap(prediction, head.attention[head.labels.index(chosen)], chosen)


def default_label(prediction: PredictionPart) -> str:
    """The class whose map is shown when nobody asks for another."""
    likeliest = max(prediction.labels, key=lambda name: prediction.probabilities[name])
    return prediction.positive_class or prediction.top_label or likeliest


def _head(result: TileMaps, task: str | None) -> tuple[HeadMap, PredictionPart]:
    predictions = {prediction.task: prediction for prediction in result.document.predictions}
    maps = {head.task: head for head in result.heads}
    wanted = task if task is not None else result.document.predictions[0].task
    if wanted not in predictions or wanted not in maps:
        raise TaskNotFoundError(f"the result has no task {wanted}; it has {', '.join(predictions)}")
    return maps[wanted], predictions[wanted]
