"""Which layers a result offers to a viewer, each with what it takes to draw its legend. Nothing here touches pixels."""

from typing import Literal
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, Field

from app.results import wording
from app.results.heads import Quantity, ShownMap, TileValues, head_values
from app.results.pictures.area_layers import BLUR_RGB, DARK_RGB, PEN_RGB, TISSUE_RGB, Colour, is_blurred
from app.results.pictures.colour_map import DEFAULT_PALETTE, LOOKUP_TABLES, stops
from app.results.pictures.scales import figures_sentence, ticks
from app.results.schema import PredictionPart
from app.results.slide_result import TileMaps
from app.slides.types import Float32Array

PALETTES: dict[str, tuple[str, ...]] = {name: stops(name) for name in LOOKUP_TABLES}


class LegendEntry(BaseModel):
    """One colour of a layer that has no scale."""

    label: str
    colour: str = Field(examples=["#e69f00"])


class Tick(BaseModel):
    """A place on the scale of ranks."""

    percentile: int
    value: float = Field(description="share of attention (0 to 1) or tile score at this percentile")


class Legend(BaseModel):
    """A scale from ``low`` to ``high`` in ``palette``, or ``entries`` where a colour is a kind of thing."""

    low: float | None = Field(default=None, description="percentile of the palette's first colour")
    high: float | None = Field(default=None, description="percentile of its last")
    palette: str | None = Field(default=None, description="the one in `url`")
    ticks: list[Tick] = Field(default=[], description="with `scale=percentile`: numbers along the scale")
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
    quantity: Quantity | None = Field(
        default=None, description="quantity that the colours rank; null for tissue and quality"
    )
    task: str | None
    label: str | None = Field(description="class of the map, as `class` in `url`; null without one")
    url: str = Field(description="address, as in the job's links; add or change `scale=percentile|raw` and `palette`")
    legend: Legend
    note: str = Field(description="what the colours mean and what they do not mean; show it with the layer")


def layers(maps: TileMaps, base: str) -> list[Layer]:
    """Each head's tile scores and attention, tissue, quality. ``base``: the job's path.

    A viewer shows the first one by default: ``heads.shown_map``.
    """
    found: list[Layer] = []
    predictions = {prediction.task: prediction for prediction in maps.document.predictions}
    for head in maps.heads:
        prediction = predictions[head.task]
        found += [_scaled(maps, prediction, tiles, base) for tiles in head_values(head, prediction)]
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
    return [*found, _qc(maps.sharpness, base)]


def _scaled(maps: TileMaps, prediction: PredictionPart, tiles: TileValues, base: str) -> Layer:
    shown, task = ShownMap(prediction, tiles), prediction.task
    query = {"layer": "overlay", "task": task, "quantity": tiles.quantity}
    query |= {} if tiles.label is None else {"class": tiles.label}
    query |= {"scale": "percentile", "palette": DEFAULT_PALETTE, "opacity": "100"}
    ranked = tiles.values[maps.has_rank]
    return Layer(
        id=".".join([tiles.quantity, task, *([] if tiles.label is None else [tiles.label])]),
        title=wording.map_title(shown),
        kind="attention" if tiles.label is None else "class",
        quantity=tiles.quantity,
        task=task,
        label=tiles.label,
        url=f"{base}/heatmap.png?{urlencode(query)}",
        legend=Legend(
            low=0,
            high=100,
            palette=DEFAULT_PALETTE,
            ticks=[Tick(percentile=tick, value=value) for tick, value in ticks(tiles, maps.has_rank)],
            raw_low=float(ranked.min()) if len(ranked) else None,
            raw_high=float(ranked.max()) if len(ranked) else None,
            palettes=PALETTES,
        ),
        note=f"{figures_sentence(tiles, maps)} {wording.map_legend(shown)}".strip(),
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
