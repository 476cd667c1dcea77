"""Import of the Pathology Atlas region corpus: a folder with slides.tsv, regions.tsv and the pictures."""

import csv
from collections.abc import Iterator
from pathlib import Path

from xmag_train.data.shards import Region, RegionMeta, write_shards

SHARD_NAME = "atlas"


def collection_of(case: str) -> str:
    """The collection a case was given by: as near to a site as the corpus tells."""
    if case.startswith("BS") and case[2:].isdigit():
        return "saka"
    if case.startswith("hacettepe-"):
        return "hacettepe"
    return "atlas"


def atlas_regions(folder: Path) -> Iterator[Region]:
    """Every region in the order of regions.tsv. KeyError where a table lacks a column or a slide."""
    slides = {row["slide"]: row for row in _rows(folder / "slides.tsv")}
    for row in _rows(folder / "regions.tsv"):
        slide = slides[row["slide"]]
        meta = RegionMeta(
            slide=row["slide"],
            case=slide["case"],
            site=collection_of(slide["case"]),
            organ=slide["organ"],
            label=slide["label"],
            stain=slide["stain"],
            scanner=slide["scanner"],
            mpp=float(slide["mpp"]),
            x0=int(row["x0"]),
            y0=int(row["y0"]),
            side0=int(row["side0"]),
            tissue_fraction=float(row["tissue_fraction"]),
        )
        yield Region((folder / row["file"]).read_bytes(), meta)


def import_atlas(folder: Path, out: Path) -> list[Path]:
    """Write the corpus as shards into ``out``; the same input gives the same bytes."""
    return write_shards(atlas_regions(folder), out, SHARD_NAME)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")
