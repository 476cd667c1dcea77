"""`xmag-train evaluate`: every task of the YAML, one report (`report.md`, plots, `report.json`)."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from xmag_train.commit import source_commit
from xmag_train.evaluate.config import EvaluateConfig, MilTask, SpeedConfig, TileTask
from xmag_train.evaluate.mil_task import evaluate_mil
from xmag_train.evaluate.probe import probe
from xmag_train.evaluate.ready import check_task
from xmag_train.evaluate.report import LEGEND, retention_table, speed_table
from xmag_train.files import write_json, write_text
from xmag_train.progress import Clock


def run_evaluate(path: Path, out: Path | None) -> None:
    """What ``xmag-train evaluate`` does."""
    config = EvaluateConfig.read(path, out=out)
    typer.echo(evaluate_all(config))


def evaluate_all(config: EvaluateConfig) -> Path:
    """Run every task and write the report; its path."""
    config.out.mkdir(parents=True, exist_ok=True)
    clock = Clock(0.0)
    for task in config.tasks:
        if isinstance(task, MilTask):
            check_task(task, config.out / task.name)
    parts = [f"# {config.title}", f"Source {source_commit()}.", LEGEND]
    data: dict[str, Any] = {"config": config.model_dump(mode="json"), "tasks": {}}
    for task in config.tasks:
        if isinstance(task, MilTask):
            text, found = evaluate_mil(task, config.out)
        else:
            text, found = _tile_section(task, config.out / task.name)
        parts.append(text)
        data["tasks"][task.name] = found
    if config.speed is not None:
        text, found = _speed_section(config.speed)
        parts.append(text)
        data["speed"] = found
    else:
        parts.append("## Tiles and seconds per slide\n\nNot measured: the config names no slides.")
    data["wall_s"] = clock.seconds()
    write_json(config.out / "report.json", _finite(data))
    path = config.out / "report.md"
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def _tile_section(task: TileTask, out: Path) -> tuple[str, dict[str, Any]]:
    pictures, rows = probe(task, out)
    counts = ", ".join(f"{int((pictures.targets == i).sum())} {label}" for i, label in enumerate(pictures.labels))
    text = (
        [f"## {task.name}: linear probe of tiles", task.note]
        if task.note
        else [f"## {task.name}: linear probe of tiles"]
    )
    text += [f"{counts}; {len(set(pictures.cases))} cases, {task.folds} folds by case.", retention_table(rows)]
    return "\n\n".join(text), {"retention": [asdict(row) for row in rows]}


def _speed_section(config: SpeedConfig) -> tuple[str, dict[str, Any]]:
    from xmag_train.evaluate.speed import measure_speed  # noqa: PLC0415 (starts reader processes)

    rows = measure_speed(config)
    machine = (
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    text = [
        "## Tiles and seconds per slide",
        f"Device {config.device} ({machine}); on a CPU, convolutional networks are run by onnxruntime. Both "
        "magnifications: the service's reader, the same tissue mask, tiles kept from the same share of tissue. Timed "
        f"on {config.timed_tiles} tiles of each slide, or all that it has, and scaled to all; teacher "
        f"{config.teacher.name}, student {config.student.name}.",
        speed_table(rows),
    ]
    return "\n\n".join(text), {"slides": [asdict(row) for row in rows]}


def _finite(value: Any) -> Any:
    """NaN as None: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
