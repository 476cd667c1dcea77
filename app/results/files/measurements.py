"""What is known of each tile, by name: the columns of tiles.csv and the measurements of attention.geojson."""

import numpy as np

from app.results.heads import head_values
from app.results.percentile import percentiles
from app.results.slide_result import TileMaps
from app.slides.types import BoolArray, Float32Array


def measurements(maps: TileMaps) -> dict[str, list[float | None]]:
    """Name → one number per tile, those of the map that opens first before the others; None where a tile has no rank.

    With several heads every name starts with its task.
    """
    columns: dict[str, list[float | None]] = {"tissue fraction": [*rounded(maps.tissue_fractions, 4)]}
    predictions = {prediction.task: prediction for prediction in maps.document.predictions}
    for head in maps.heads:
        prefix = f"{head.task}: " if len(maps.heads) > 1 else ""
        for tiles in head_values(head, predictions[head.task]):
            name = "attention" if tiles.quantity == "attention" else "tile score"
            suffix = f" ({tiles.label})" if tiles.label else ""
            columns[f"{prefix}{name}{suffix}"] = [*significant(tiles.values)]
            columns[f"{prefix}{name} percentile{suffix}"] = _ranks(tiles.values, maps.has_rank)
    return columns


def _ranks(values: Float32Array, has_rank: BoolArray) -> list[float | None]:
    found: list[float | None] = [None] * len(values)
    for row, place in zip(np.flatnonzero(has_rank).tolist(), rounded(percentiles(values[has_rank]), 2), strict=True):
        found[row] = place
    return found


def rounded(values: Float32Array, decimals: int) -> list[float]:
    """Each value to so many decimals."""
    return [round(value, decimals) for value in values.tolist()]


def significant(values: Float32Array) -> list[float]:
    """Seven significant digits: all that a float32 holds."""
    return [float(f"{value:.7g}") for value in values.tolist()]
