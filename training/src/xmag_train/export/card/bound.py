"""Whether the report that goes on the card judged the very heads that are exported."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xmag_train.export.config import HeadConfig

BINDING = ("labels_sha256", "folds_sha256", "encoders_sha256")


def refuse_report_of_others(report: Path, heads: Sequence[HeadConfig]) -> None:
    """ValueError where ``report`` judged a head's task, but by other tables or students than the head's figures."""
    data: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    for head in heads:
        metrics: dict[str, Any] = json.loads(head.metrics.read_text(encoding="utf-8"))
        judged = [
            data["tasks"][task["name"]] for task in data["config"]["tasks"] if task.get("task") == metrics["task"]
        ]
        if judged and not any(_is_bound(found, metrics) for found in judged):
            raise ValueError(
                f"{report} judged {metrics['task']} by other labels, folds or students than {head.metrics}. Run "
                "that head's training and then `xmag-train evaluate` again (what is still right is kept)"
            )


def _is_bound(found: dict[str, Any], metrics: dict[str, Any]) -> bool:
    return all(metrics.get(key) is not None and found.get(key) == metrics[key] for key in BINDING)
