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
from app.results.files.measurements import measurements
from app.results.heads import ShownMap, shown_map
from app.results.percentile import percentiles
from app.results.pictures.colour_map import colours
from app.results.pictures.tile_frame import tile_corners
from app.results.schema import ResultDocument
from app.results.slide_result import TISSUE_MIN_SHOWN, SlideResult

Origin = Literal["bounds", "image"]
_NAMESPACE: Final = UUID("8c1f6a52-6c0e-5d0b-9a37-3f0a54f2b9d1")
_NO_RANK_RGB: Final = (200, 200, 200)
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
    shown = shown_map(result)
    classes = _classifications(result, shown)
    fill = _fill_colours(result, shown)
    for row, square in enumerate(corners.tolist()):
        properties: dict[str, Any] = {"objectType": "tile"}
        if fill is not None:
            properties["color"] = fill[row]
        if classes is not None and classes[row] is not None:
            properties["classification"] = classes[row]
        properties["measurements"] = {name: values[row] for name, values in columns.items() if values[row] is not None}
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
        sentences += [wording.map_legend(shown_map(result, prediction.task)), wording.state_sentence(prediction)]
    if not result.has_rank.all():
        sentences.append(f"Grey tiles have less than {100 * TISSUE_MIN_SHOWN:.0f} % tissue and no rank.")
    return " ".join(dict.fromkeys(sentences))


def _is_per_class_attention(shown: ShownMap) -> bool:
    return shown.tiles is not None and shown.tiles.quantity == "attention" and shown.tiles.label is not None


def _classifications(result: SlideResult, shown: ShownMap) -> list[dict[str, Any] | None] | None:
    """The class that each tile counts most for, if the map that opens first is attention per class; else None.

    A tile is left unclassified where even its strongest attention is below an even share (1 / N), and where it has
    no rank.
    """
    attention = next(head.attention for head in result.heads if head.task == shown.prediction.task)
    if attention is None or not _is_per_class_attention(shown):
        return None
    named = (attention.max(axis=0) >= 1.0 / attention.shape[1]) & result.has_rank
    entries = [{"name": label, "color": list(_class_rgb(k))} for k, label in enumerate(shown.prediction.labels)]
    return [entries[k] if is_named else None for k, is_named in zip(attention.argmax(axis=0), named, strict=True)]


def _class_rgb(k: int) -> tuple[int, int, int]:
    return _CLASS_RGB[k % len(_CLASS_RGB)]


def _fill_colours(result: SlideResult, shown: ShownMap) -> list[list[int]] | None:
    """The heatmap's colour of each tile, grey without a rank; None if tiles are coloured by class or there is no map.

    QuPath gives an object without a colour a red of its own.
    """
    if shown.tiles is None or _is_per_class_attention(shown):
        return None
    fill = np.full((len(result.coords), 3), _NO_RANK_RGB, np.uint8)
    fill[result.has_rank] = colours(percentiles(shown.tiles.values[result.has_rank]))
    found: list[list[int]] = fill.tolist()
    return found
