"""Which layers a result offers to a viewer, each with what it takes to draw its legend. Nothing here touches pixels."""

from typing import Literal
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, Field

from app.results import wording
from app.results.area_layers import BLUR_RGB, DARK_RGB, PEN_RGB, TISSUE_RGB, Colour, is_blurred
from app.results.colour_map import DEFAULT_PALETTE, LOOKUP_TABLES, stops
from app.results.heads import default_label
from app.results.schema import PredictionPart
from app.results.slide_result import HeadMap, TileMaps
from app.results.tile_scale import Quantity
from app.slides.types import Float32Array

PALETTES: dict[str, tuple[str, ...]] = {name: stops(name) for name in LOOKUP_TABLES}


class LegendEntry(BaseModel):
    """One colour of a layer that has no scale."""

    label: str
    colour: str = Field(examples=["#e69f00"])


class Legend(BaseModel):
    """A scale from ``low`` to ``high`` in ``palette``, or ``entries`` where a colour is a kind of thing."""

    low: float | None = Field(default=None, description="percentile of the palette's first colour")
    high: float | None = Field(default=None, description="percentile of its last")
    palette: str | None = Field(default=None, description="the one in `url`")
    raw_low: float | None = Field(default=None, description="what the first colour means with `scale=raw`")
    raw_high: float | None = Field(default=None, description="what the last colour means with `scale=raw`")
    palettes: dict[str, tuple[str, ...]] = Field(
        default={}, description="what `palette` may be: nine colours, evenly spaced from low to high"
    )
    entries: list[LegendEntry] = []


class Layer(BaseModel):
    """One transparent picture over the whole level-0 extent."""

    id: str = Field(examples=["attention"])
    title: str
    kind: Literal["attention", "class", "tissue", "qc"]
    task: str | None
    label: str | None = Field(description="the class it shows, as `class` in `url`; null where it shows none")
    url: str = Field(description="path on this server; `scale=percentile|raw` and `palette` may be added or changed")
    legend: Legend
    note: str = Field(description="what the colours mean and what they do not: to be shown with the layer")


def layers(maps: TileMaps, base: str, *, has_qc: bool) -> list[Layer]:
    """Attention of each head (of each class where it has them), tile scores, tissue, quality. ``base``: the job's path.

    The first one is what a viewer shows unasked.
    """
    found: list[Layer] = []
    predictions = {prediction.task: prediction for prediction in maps.document.predictions}
    for head in maps.heads:
        found += _of_head(head, predictions[head.task], base)
    found.append(
        Layer(
            id="tissue",
            title="Tissue",
            kind="tissue",
            task=None,
            label=None,
            url=f"{base}/tissue.png",
            legend=Legend(entries=[_entry("tissue", TISSUE_RGB)]),
            note=wording.TISSUE_LEGEND,
        )
    )
    if has_qc and maps.sharpness is not None:
        found.append(_qc(maps.sharpness, base))
    return found


def _of_head(head: HeadMap, prediction: PredictionPart, base: str) -> list[Layer]:
    found: list[Layer] = []
    if head.attention is not None and prediction.attention_kind == "shared":
        found.append(_scaled(base, prediction, None, head.attention[0], "attention"))
    if head.attention is not None and prediction.attention_kind == "per_class":
        first = default_label(prediction)
        for label in sorted(head.labels, key=lambda name: name != first):
            row = head.attention[head.labels.index(label)]
            found.append(_scaled(base, prediction, label, row, "attention"))
    if head.tile_scores is not None:
        for label, scores in zip(head.labels, head.tile_scores.T, strict=True):
            found.append(_scaled(base, prediction, label, scores, "tile_scores"))
    return found


def _scaled(
    base: str, prediction: PredictionPart, label: str | None, values: Float32Array, quantity: Quantity
) -> Layer:
    of_tiles = quantity == "tile_scores"
    query = {"layer": "overlay", "task": prediction.task, "quantity": quantity}
    query |= {} if label is None else {"class": label}
    query |= {"scale": "percentile", "palette": DEFAULT_PALETTE, "opacity": "100"}
    return Layer(
        id=".".join([quantity, prediction.task, *([] if label is None else [label])]),
        title=wording.tile_score_title(prediction.task, label)
        if of_tiles and label is not None
        else wording.attention_title(prediction, label),
        kind="attention" if label is None else "class",
        task=prediction.task,
        label=label,
        url=f"{base}/heatmap.png?{urlencode(query)}",
        legend=Legend(
            low=0,
            high=100,
            palette=DEFAULT_PALETTE,
            raw_low=float(values.min()),
            raw_high=float(values.max()),
            palettes=PALETTES,
        ),
        note=wording.tile_score_legend(label)
        if of_tiles and label is not None
        else wording.attention_legend(prediction, label),
    )


def _qc(sharpness: Float32Array, base: str) -> Layer:
    judged, blurred = int((~np.isnan(sharpness)).sum()), int(is_blurred(sharpness).sum())
    out_of_focus = f"out of focus: {blurred} of {judged} examined tiles ({len(sharpness)} in all)"
    return Layer(
        id="qc",
        title="Quality",
        kind="qc",
        task=None,
        label=None,
        url=f"{base}/qc.png",
        legend=Legend(
            entries=[_entry("ink", PEN_RGB), _entry("black, fold or dirt", DARK_RGB), _entry(out_of_focus, BLUR_RGB)]
        ),
        note=wording.qc_legend(judged, len(sharpness)),
    )


def _entry(label: str, colour: Colour) -> LegendEntry:
    return LegendEntry(label=label, colour="#" + bytes(colour).hex())
