"""Cut regions from slides with the service's own reader: one shard a slide, and a line on each slide in a report."""

import io
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.errors import SlideError
from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan
from xmag_train.config import changes
from xmag_train.data.claim import claim
from xmag_train.data.cohort.table import read_rows
from xmag_train.data.config import CurateConfig
from xmag_train.data.select import farthest_first, is_duplicate, signature
from xmag_train.data.shards import Region, RegionMeta, SlideFacts, read_shards, write_shards
from xmag_train.files import write_text
from xmag_train.geometry import REGION_MPP, REGION_PX
from xmag_train.progress import say, track

REPORT_FILE = "curate.jsonl"
BATCH_TILES = 4
# Regions looked at for each one kept: room for duplicates to be passed over.
CANDIDATES = 3
Signatures = list[NDArray[np.float32]]


@dataclass(frozen=True)
class SlideRow:
    """A line of the table of slides. ``mpp``: of level 0 in µm/px, in place of what the file says; None: as it says."""

    path: Path
    mpp: float | None
    facts: SlideFacts


@dataclass(frozen=True)
class Outcome:
    """The result of a slide: how many regions, or why there are none (``error``: the reader's sentence)."""

    slide: str
    regions: int
    error: str | None


def read_slides(table: Path) -> list[SlideRow]:
    """The table of slides. ValueError as of ``read_rows``, for a slide named twice or an mpp that is no number."""
    columns = list(SlideFacts.model_fields)
    slides = []
    for row in read_rows(table, ["path", *columns], delimiter="\t"):
        facts = SlideFacts.model_validate({column: row[column] for column in columns})
        slides.append(SlideRow(table.parent / row["path"], _mpp(row, table), facts))
    names = [slide.facts.slide for slide in slides]
    if len(set(names)) != len(names):
        raise ValueError(f"{table.name}: a slide is named twice")
    return slides


def curate(config: CurateConfig, out: Path) -> list[Outcome]:
    """Shards and `curate.jsonl` in ``out``. Slides that the report knows are not read again, but for those that failed.

    Where the table now says something else of a slide, its shard is told so. ValueError where ``out`` was begun with
    another config, or with slides in another order: a shard is named by its slide's place in the table.
    """
    slides = read_slides(config.slides)
    out.mkdir(parents=True, exist_ok=True)
    claim(out, config.settings())
    report = out / REPORT_FILE
    known = _read_report(report)
    if list(known) != [slide.facts.slide for slide in slides][: len(known)]:
        raise ValueError(f"{config.slides.name}: slides that were cut before must stay first, and in their order")
    seen: dict[str, Signatures] = defaultdict(list)
    outcomes: list[Outcome] = []
    for number, slide in enumerate(track(slides, "slides")):
        name = f"{config.name}-{number:06d}"
        outcome = known.get(slide.facts.slide)
        if outcome is None or outcome.error is not None:
            try:
                regions = cut(slide, config, seen[slide.facts.case])
            except SlideError as error:
                outcome = Outcome(slide.facts.slide, 0, str(error))
            else:
                _write_shard(regions, out, name)
                outcome = Outcome(slide.facts.slide, len(regions), None)
            known[slide.facts.slide] = outcome
            write_text(report, "".join(json.dumps(vars(line)) + "\n" for line in known.values()))
        elif outcome.regions:
            seen[slide.facts.case] += [signature(region.pixels()) for region in corrected(slide, out, name)]
        outcomes.append(outcome)
    return outcomes


def corrected(slide: SlideRow, out: Path, name: str) -> list[Region]:
    """The regions of a shard that is there, which is written again where they tell something else than the table.

    ValueError where they were cut at another resolution than the table has for the slide.
    """
    regions = list(read_shards([out / f"{name}.tar"]))
    mpp = regions[0].meta.mpp
    if slide.mpp is not None and slide.mpp != mpp:
        raise ValueError(
            f"{slide.facts.slide} was cut at {mpp} µm/px, the table says {slide.mpp}: choose another folder"
        )
    wanted = slide.facts.model_dump()
    told = regions[0].meta.model_dump(include=set(wanted))
    if told != wanted:
        say(f"{slide.facts.slide}: corrected in its shard ({changes(told, wanted)})")
        regions = [Region(one.jpeg, one.meta.model_copy(update=wanted)) for one in regions]
        _write_shard(regions, out, name)
    return regions


def cut(slide: SlideRow, config: CurateConfig, seen: Signatures) -> list[Region]:
    """The slide's regions, spread by farthest-point sampling; signatures of those kept are added to ``seen``.

    Raises the reader's errors.
    """
    plan = ReadingPlan(tile_px=REGION_PX, tile_mpp=REGION_MPP, tissue_min=config.tissue_min, level_tolerance=0.06)
    with SlideReader() as reader:
        info = reader.open(slide.path.resolve(), slide.mpp)
        survey = reader.survey(plan)
        able = np.flatnonzero(survey.tissue_fractions >= config.tissue_min)  # a survey keeps its fullest tile anyhow
        order = [int(able[at]) for at in farthest_first(survey.coords[able], config.seed)]
        wanted = set(order[: config.per_slide * CANDIDATES])
        pictures: dict[int, tuple[bytes, NDArray[np.float32]]] = {}
        for batch in reader.tiles(BATCH_TILES):
            for at, pixels in enumerate(batch.tiles, start=batch.start):
                if at in wanted:
                    pictures[at] = (_jpeg(pixels, config.jpeg_quality), signature(pixels))
    kept: list[Region] = []
    for at in order:
        if at not in pictures or len(kept) == config.per_slide:
            break
        jpeg, mark = pictures[at]
        if is_duplicate(mark, seen, config.duplicate_correlation):
            continue
        seen.append(mark)
        meta = RegionMeta(
            **slide.facts.model_dump(),
            mpp=info.mpp,
            x0=int(survey.coords[at, 0]),
            y0=int(survey.coords[at, 1]),
            side0=round(survey.tile_size0),
            tissue_fraction=min(1.0, float(survey.tissue_fractions[at])),
        )
        kept.append(Region(jpeg, meta))
    return kept


def _mpp(row: dict[str, str], table: Path) -> float | None:
    try:
        return float(row["mpp"]) if row.get("mpp") else None
    except ValueError:
        raise ValueError(f"{table.name}: the mpp of {row['slide']} is {row['mpp']!r}, no number") from None


def _write_shard(regions: list[Region], out: Path, name: str) -> None:
    for path in write_shards(regions, out, name, per_shard=max(1, len(regions))):
        path.replace(out / f"{name}.tar")


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _read_report(path: Path) -> dict[str, Outcome]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    outcomes = [Outcome(**json.loads(line)) for line in lines]
    return {outcome.slide: outcome for outcome in outcomes}
