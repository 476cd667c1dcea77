"""labels.csv of the Pathology Atlas regions: one task, malignancy, from the corpus's own labels."""

import csv
from pathlib import Path

from xmag_train.data.atlas import collection_of
from xmag_train.data.cohort.table import write_rows

MALIGNANCY = {"malignant": "malignant", "benign_neoplasm": "not_malignant", "non_neoplastic": "not_malignant"}
COLUMNS = ("slide", "case", "site", "organ", "group", "malignancy")


def write_atlas_labels(atlas: Path, out: Path) -> int:
    """slides.tsv of ``atlas`` → ``out``; how many slides. ``site`` is the collection, ``group`` the corpus's label.

    KeyError for a label that the corpus did not have when this was written.
    """
    with (atlas / "slides.tsv").open(encoding="utf-8", newline="") as file:
        slides = list(csv.DictReader(file, delimiter="\t"))
    names = ("slide", "case", "organ", "label")
    rows = [
        (slide, case, collection_of(case), organ, group, MALIGNANCY[group])
        for slide, case, organ, group in ([row[name] for name in names] for row in slides)
    ]
    write_rows(out, COLUMNS, rows)
    return len(slides)
