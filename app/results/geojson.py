"""attention.geojson: one square per tile, for QuPath (0.4 and later) and any GeoJSON reader.

QuPath reads ``objectType``, ``measurements`` (name → number), ``classification`` {name, color}, ``color`` and a UUID
``id``. It places a slide's origin at the scanner's bounds (``openslide.bounds-x`` and ``-y``) where the file has
them, hence the two frames.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, Literal
from uuid import UUID, uuid5

import numpy as np

from app.results import wording
from app.results.colour_map import colours
from app.results.heads import shown_map
from app.results.measurements import measurements
from app.results.percentile import attention_percentiles
from app.results.schema import ResultDocument
from app.results.slide_result import SlideResult
from app.results.tile_frame import tile_corners

Origin = Literal["bounds", "image"]
_NAMESPACE: Final = UUID("8c1f6a52-6c0e-5d0b-9a37-3f0a54f2b9d1")
# Okabe and Ito's palette: told apart with every common colour blindness.
_CLASS_RGB: Final = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0))


def geojson_chunks(result: SlideResult, origin: Origin = "bounds") -> Iterator[str]:
    """The FeatureCollection piece by piece: a head, one feature per row of embeddings.h5 in its order, an end.

    Corners are level-0 px in the frame of ``origin`` (see ``origin_px``); a tile ends where the next one starts.
    """
    x0, y0 = origin_px(result.document, origin)
    head = {"type": "FeatureCollection", "origin_px": [x0, y0], "description": _description(result)}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "features": ['
    corners = tile_corners(result.coords, result.document.tiling.tile_size0_px) - np.array([x0, y0, x0, y0])
    columns = measurements(result)
    classes = _classifications(result)
    fill = _fill_colours(result)
    for row, square in enumerate(corners.tolist()):
        properties: dict[str, Any] = {"objectType": "tile"}
        if fill is not None:
            properties["color"] = fill[row]
        if classes is not None and classes[row] is not None:
            properties["classification"] = classes[row]
        properties["measurements"] = {name: values[row] for name, values in columns.items()}
        feature = {
            "type": "Feature",
            "id": str(tile_uuid(result.document, row)),
            "geometry": {"type": "Polygon", "coordinates": [_ring(*square)]},
            "properties": properties,
        }
        yield ("\n" if row == 0 else ",\n") + json.dumps(feature, ensure_ascii=False, allow_nan=False)
    yield "\n]}\n"


def origin_px(document: ResultDocument, origin: Origin) -> tuple[int, int]:
    """Level-0 position that the frame calls (0, 0): the scanner's bounds where the slide has them, else (0, 0)."""
    bounds = document.slide.bounds
    return (bounds.x0, bounds.y0) if origin == "bounds" and bounds is not None else (0, 0)


def tile_uuid(document: ResultDocument, row: int) -> UUID:
    """The same tile of the same slide under the same model always has the same id."""
    return uuid5(_NAMESPACE, f"{document.slide.sha256}:{document.model.manifest_sha256}:{row}")


def _ring(x0: int, y0: int, x1: int, y1: int) -> list[list[int]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]


def _description(result: SlideResult) -> str:
    sentences = []
    for prediction in result.document.predictions:
        label = shown_map(result, prediction.task).label
        sentences += [wording.attention_legend(prediction, label), wording.state_sentence(prediction)]
    return " ".join(dict.fromkeys(sentences))


def _classifications(result: SlideResult) -> list[dict[str, Any] | None] | None:
    """The class each tile counts most for: first head with attention per class; None where no head has it.

    A tile is left unclassified where even its strongest attention is below an even share (1 / N).
    """
    for head in result.heads:
        if head.attention is not None and len(head.attention) > 1:
            strongest = head.attention.argmax(axis=0)
            named = head.attention.max(axis=0) >= 1.0 / head.attention.shape[1]
            entries = [{"name": label, "color": list(_class_rgb(k))} for k, label in enumerate(head.labels)]
            return [entries[k] if is_named else None for k, is_named in zip(strongest, named, strict=True)]
    return None


def _class_rgb(k: int) -> tuple[int, int, int]:
    return _CLASS_RGB[k % len(_CLASS_RGB)]


def _fill_colours(result: SlideResult) -> list[list[int]] | None:
    """The heatmap's colour of each tile; None where attention is per class (its class colours it) or absent."""
    shown = shown_map(result)
    if shown.attention is None or shown.label is not None:
        return None
    fill: list[list[int]] = colours(attention_percentiles(shown.attention)).tolist()
    return fill
