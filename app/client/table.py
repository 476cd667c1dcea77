"""What a batch gave, one row per slide."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIRST = ("file", "job", "state", "code", "message")


@dataclass(frozen=True)
class Row:
    """One slide. ``state``: the job's, or ``refused`` or ``unsent`` where there is none; ``result``: result.json."""

    file: str
    job: str
    state: str
    code: str
    message: str
    result: dict[str, Any] | None = None


def write_csv(rows: list[Row], path: Path) -> None:
    """Write the rows (RFC 4180, UTF-8): what became of each slide, then one column per figure that any of them has."""
    filled = [cells(row) for row in rows]
    names = list(dict.fromkeys([*_FIRST, *(name for row in filled for name in row)]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(filled)


def cells(row: Row) -> dict[str, str]:
    """Column → text. Every prediction has its scores, what kind of numbers they are, and whether it is validated."""
    found = {"file": row.file, "job": row.job, "state": row.state, "code": row.code, "message": row.message}
    if row.result is None:
        return found
    for prediction in row.result["predictions"]:
        task = prediction["task"]
        for label, value in prediction["probabilities"].items():
            found[f"{task}: {label}"] = f"{value:.6g}"
        found[f"{task}: kind"] = prediction["kind"]
        found[f"{task}: validated"] = "yes" if prediction["validated"] else "no"
        found[f"{task}: in domain"] = "yes" if prediction["in_domain"] else "no"
    found["tissue tiles"] = str(row.result["tiling"]["tissue_tiles"])
    found["mpp"] = f"{row.result['slide']['mpp']:.6g}"
    found["model"] = f"{row.result['model']['name']} {row.result['model']['version']}"
    found["warnings"] = " | ".join(row.result["warnings"])
    return found


def said(row: Row) -> str:
    """The row in a few words, for a terminal."""
    if row.result is None:
        return f"{row.code}: {row.message}" if row.code else row.message
    words = []
    for prediction in row.result["predictions"]:
        label, value = max(prediction["probabilities"].items(), key=lambda item: item[1])
        kind = "probability" if prediction["kind"] == "probability" else "score"
        words.append(f"{prediction['task']}: {label} ({kind} {value:.3f})")
    return "; ".join(words)
