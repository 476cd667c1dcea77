"""The report's figures for the card: what the 5x student keeps of its 20x teacher, task by task."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RETRIEVAL = {
    "agreement": "ten-neighbour agreement with the teacher",
    "same_organ": "same organ, other case",
    "same_case": "same case",
    "mapped_cosine": "cosine to the teacher after a linear map",
}


def report_section(path: Path) -> str:
    """Markdown from `report.json` of `xmag-train evaluate`: tables by task, as it measured them."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return "\n\n".join(_task(name, found) for name, found in data["tasks"].items())


def _task(name: str, found: Mapping[str, Any]) -> str:
    lines = [
        f"### {name}",
        "",
        "| arm | figure | value (95 % interval) | minus teacher | verdict |",
        "|---|---|---|---|---|",
    ]
    for row in found["retention"]:
        figure = row["figure"].replace("_", " ")
        lines.append(
            f"| {row['arm']} | {figure} | {_interval(row['value'])} | {_interval(row['difference'], '+', '')} | "
            f"{row['verdict'] or ''} |"
        )
    for row in found.get("spaces", []):
        lines += [
            f"| {row['arm']} | {words} | {_interval(row[key])} | | |"
            for key, words in RETRIEVAL.items()
            if row[key] is not None
        ]
    return "\n".join(lines)


def _interval(found: Mapping[str, float] | None, sign: str = "", missing: str = "undefined") -> str:
    if found is None:
        return missing
    return f"{found['value']:{sign}.3f} ({found['ci_low']:{sign}.3f} to {found['ci_high']:{sign}.3f})"
