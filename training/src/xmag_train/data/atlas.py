"""The Pathology Atlas region corpus, a folder with slides.tsv, regions.tsv and the pictures: shards, and labels.csv."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xmag_train.data.claim import claim
from xmag_train.data.cohort.table import write_rows
from xmag_train.data.select import DUPLICATE_CORRELATION, is_duplicate, signature
from xmag_train.data.shards import Region, RegionMeta, write_shards
from xmag_train.files import file_sha256

SHARD_NAME = "atlas"
MALIGNANCY = {"malignant": "malignant", "benign_neoplasm": "not_malignant", "non_neoplastic": "not_malignant"}
LABEL_COLUMNS = ("slide", "case", "site", "organ", "group", "malignancy")


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


@dataclass(frozen=True)
class Imported:
    """``shards`` written; ``duplicates``: keys of the regions left out, each too like an earlier one of its case."""

    shards: list[Path]
    duplicates: list[str]


def import_atlas(folder: Path, out: Path, duplicate_correlation: float = DUPLICATE_CORRELATION) -> Imported:
    """Write the corpus as shards into ``out``; the same input gives the same bytes.

    ValueError where ``out`` holds shards of another corpus, or imported in another way.
    """
    tables = {name: file_sha256(folder / name) for name in ("slides.tsv", "regions.tsv")}
    claim(out, {"source": "atlas", "duplicate_correlation": duplicate_correlation, **tables})
    seen: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    duplicates: list[str] = []

    def distinct() -> Iterator[Region]:
        for region in atlas_regions(folder):
            mark, kept = signature(region.pixels()), seen[region.meta.case]
            if is_duplicate(mark, kept, duplicate_correlation):
                duplicates.append(region.key)
                continue
            kept.append(mark)
            yield region

    return Imported(write_shards(distinct(), out, SHARD_NAME), duplicates)


def write_atlas_labels(atlas: Path, out: Path) -> int:
    """slides.tsv of ``atlas`` → ``out``; how many slides. ``site`` is the collection, ``group`` the corpus's label.

    KeyError for a label that the corpus did not have when this was written.
    """
    slides = list(_rows(atlas / "slides.tsv"))
    names = ("slide", "case", "organ", "label")
    rows = [
        (slide, case, collection_of(case), organ, group, MALIGNANCY[group])
        for slide, case, organ, group in ([row[name] for name in names] for row in slides)
    ]
    write_rows(out, LABEL_COLUMNS, rows)
    return len(slides)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")
