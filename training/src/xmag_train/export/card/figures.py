"""The report's figures for the card: what the 5x student keeps of its 20x teacher, task by task."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xmag_train.evaluate.config import Arm
from xmag_train.evaluate.report import folds_in_words
from xmag_train.evaluate.unseen import perhaps_seen
from xmag_train.metrics.bootstrap import Interval, interval_in_words

RETRIEVAL = {
    "agreement": "ten-neighbour agreement with the teacher",
    "same_organ": "same organ, other case",
    "same_case": "same case",
    "mapped_cosine": "cosine to the teacher after a linear map",
}


def how_judged(path: Path) -> str:
    """Of the same `report.json`: by which cases, as far as its config tells, and what the verdicts mean."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    unknown = [name for task in data["config"]["tasks"] for name in _perhaps_seen(task, data["tasks"][task["name"]])]
    if unknown:
        seen = (
            f"We cannot tell whether these students were distilled on the cases that judge them: {', '.join(unknown)}"
        )
    else:
        seen = "Every student was judged by cases that it was not distilled on"
    return (
        f"Both have their own magnification, and the same head and folds. {seen}. Verdict: **met** if at most 0.01 "
        "was lost with 95 % certainty, **missed** if more was, otherwise **inconclusive**."
    )


def _perhaps_seen(task: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Arms of a task that neither have an encoder for each fold nor are undistilled."""
    if task["kind"] == "tile":
        return [f"the student of {task['name']}"]
    judged = {row["arm"] for row in found["retention"]}
    arms = map(Arm.model_validate, (task["student"], *task["arms"]))
    return perhaps_seen(arm for arm in arms if arm.name in judged)


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
    chosen_on = found.get("chosen_on", [])
    unseen = {"same_case_unseen": f"same case, without {folds_in_words(chosen_on)}"} if chosen_on else {}
    for row in found.get("spaces", []):
        lines += [
            f"| {row['arm']} | {words} | {_interval(row[key])} | | |"
            for key, words in (RETRIEVAL | unseen).items()
            if row[key] is not None
        ]
    if "spaces" in found or "student" in found:  # a cohort, not a probe of tiles
        lines += ["", same_case_in_words(found), "", gain_in_words(found)]
    return "\n".join(lines)


def same_case_in_words(found: Mapping[str, Any]) -> str:
    """The student's same-case retrieval with and without the folds that were looked at to choose the recipe."""
    row = next((row for row in found.get("spaces", []) if row["arm"] == found.get("student")), None)
    if row is None:
        return "Same-case retrieval: the report has none of the student."
    told = f"Same-case retrieval of {row['arm']} over all folds: {_interval(row['same_case'])}."
    chosen_on = found.get("chosen_on", [])
    if not chosen_on:
        return f"{told} The report names no fold that was looked at to choose the recipe."
    without = _interval(row["same_case_unseen"], missing="undefined, for no other fold is left")
    return f"{told} Without {folds_in_words(chosen_on)}, looked at to choose the recipe: {without}."


def gain_in_words(found: Mapping[str, Any]) -> str:
    """What distilling was worth to the head, as the report says it."""
    gain = found.get("head_gain")
    if gain is None:
        return (
            "The effect of distilling on the head was not measured: the report has no head on the undistilled student."
        )
    return str(gain["words"])


def _interval(found: Mapping[str, Any] | None, sign: str = "", missing: str = "undefined") -> str:
    return interval_in_words(None if found is None else Interval(**found), sign, missing=missing)
