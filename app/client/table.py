"""What a batch gave, one row per slide."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIRST = ("file", "job", "state", "code", "message")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Includes full-width forms, which some spreadsheets treat like the narrow ones."""


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
    """Write the rows (RFC 4180, UTF-8): each slide's outcome, then one column per figure that any of them has."""
    filled = [cells(row) for row in rows]
    names = list(dict.fromkeys([*_FIRST, *(name for row in filled for name in row)]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(inert(name) for name in names)
        writer.writerows([inert(row.get(name, "")) for name in names] for row in filled)


def inert(text: str) -> str:
    """The text as a spreadsheet shows it without running it: a formula gets an apostrophe before it (OWASP)."""
    if not text.startswith(_FORMULA_STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


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
        found[f"{task}: in domain"] = _in_domain(prediction)
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
        kind = "probability" if prediction["kind"] == "probability" else "uncalibrated score"
        words.append(
            f"{prediction['task']}: {label} ({', '.join([f'{kind} {value:.3f}', *_reservations(prediction)])})"
        )
    return "; ".join(words)


def _in_domain(prediction: dict[str, Any]) -> str:
    if prediction["in_domain"]:
        return "yes"
    return "less certain" if prediction["is_meaningful"] else "no"


def _reservations(prediction: dict[str, Any]) -> list[str]:
    """How far the score may be trusted, in a few words."""
    said = []
    if not prediction["validated"]:
        said.append("not validated" if prediction["trained"] else "untrained")
    if not prediction["in_domain"]:
        said.append("less certain for this slide" if prediction["is_meaningful"] else "not valid for this slide")
    return said
