"""`xmag-train finetune`: cross-validate end to end, then tune on all; `student.pt`, `head.pt`, `oof.csv`.

Each fold's pair is `folds/student-<fold>.pt` and `folds/head-<fold>.pt`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from torch import nn

from xmag_train.data.cohort.table import Cohort
from xmag_train.data.shards import read_shards, regions_sha256, shards_in
from xmag_train.files import file_sha256, write_json
from xmag_train.finetune.config import FinetuneConfig
from xmag_train.finetune.crossval import choose_tune_epochs, judge, student_of, tune
from xmag_train.finetune.slides import TunedSlide, load_slides, of_rows, slides_stamp
from xmag_train.mil.checkpoint import facts_of, save_head
from xmag_train.mil.crossval import fold_numbers, out_of_fold, read_fold, split
from xmag_train.mil.heads import StandardizedHead
from xmag_train.mil.keep import Effort, KeptFits, total
from xmag_train.mil.task import FoldResult, describe, tell, write_oof
from xmag_train.networks.students.checkpoint import save_student
from xmag_train.progress import track


def run_finetune(path: Path, out: Path | None) -> None:
    """What ``xmag-train finetune`` does."""
    for line in tell(train_end_to_end(FinetuneConfig.read(path, out=out))):
        typer.echo(line)


def train_end_to_end(config: FinetuneConfig) -> dict[str, Any]:
    """Run it all; the content of metrics.json. What is there from the same config and data is not run again."""
    cohort, folds = config.read_tables()
    slides = load_slides(read_shards(shards_in(config.shards)), cohort.rows, config.teacher_bags)
    stamp = slides_stamp(slides)
    results = [_run_fold(config, cohort, folds, fold, slides, stamp) for fold in track(fold_numbers(folds), "folds")]
    logits = out_of_fold(cohort, results)
    distilled = [file_sha256(student_of(config.student, result.fold)[2]) for result in results]
    metrics = describe(config, cohort, results, logits, distilled)
    # What judged is the tuned students; whether any saw the cases, the distilled ones tell.
    metrics["encoders_sha256"] = [file_sha256(_student_file(config, result.fold)) for result in results]
    write_oof(config.out / "oof.csv", cohort, folds, logits)
    efforts = [result.effort for result in results]
    if config.fit_all:
        metrics["curve"], effort = _fit_all(config, cohort, slides, metrics["epochs"]["median"], stamp)
        efforts.append(effort)
    metrics["training"] = total(efforts)
    write_json(config.out / "metrics.json", metrics)
    return metrics


def _run_fold(  # noqa: PLR0917 (one caller, just above)
    config: FinetuneConfig,
    cohort: Cohort,
    folds: Mapping[str, int],
    fold: int,
    slides: Mapping[str, TunedSlide],
    stamp: str,
) -> FoldResult:
    path = config.out / "folds" / f"fold-{fold}.json"
    name, student, file = student_of(config.student, fold)
    key = json.dumps([_settings(config), sorted(folds.items()), file_sha256(file), stamp])
    student_file, head_file = _student_file(config, fold), path.with_name(f"head-{fold}.pt")
    found = read_fold(path, key)
    if found is not None and student_file.is_file() and head_file.is_file():
        return found
    kept = KeptFits(path.parent, path.stem, key, config.keep_s)
    learning, test = (of_rows(slides, rows) for rows in split(cohort, folds, fold))
    epochs, losses = choose_tune_epochs(config, learning, student, kept)
    model, _ = tune(config, learning, student, epochs, kept)
    result = FoldResult(
        fold=fold,
        epochs=epochs,
        losses=losses,
        slides=[slide.slide for slide in test],
        logits=judge(model, test).tolist(),
        effort=kept.effort(),
    )
    # Each fold's student and head are kept: on its test cases fidelity may be measured.
    model = model.cpu()
    _save_student(config, student_file, name, model.student, origin=file, learning=learning)
    _save_head(config, head_file, name, model.head, student_file, learning, epochs)
    write_json(path, {"fingerprint": key, **result.model_dump()})
    kept.erase()
    return result


def _fit_all(
    config: FinetuneConfig, cohort: Cohort, slides: Mapping[str, TunedSlide], epochs: int, stamp: str
) -> tuple[list[dict[str, float]], Effort]:
    """Write `student.pt` and `head.pt`, tuned on every slide; the mean losses by epoch, and what it took."""
    name, student, file = student_of(config.student, None)
    learning = of_rows(slides, cohort.rows)
    key = json.dumps([_settings(config), epochs, file_sha256(file), stamp])
    # Not erased at the end: a run that is started again once more reads its last state from there.
    kept = KeptFits(config.out, "all", key, config.keep_s)
    model, curve = tune(config, learning, student, epochs, kept)
    model = model.cpu()
    _save_student(config, config.out / "student.pt", name, model.student, origin=file, learning=learning)
    _save_head(config, config.out / "head.pt", name, model.head, config.out / "student.pt", learning, epochs)
    return curve, kept.effort()


def _student_file(config: FinetuneConfig, fold: int) -> Path:
    return config.out / "folds" / f"student-{fold}.pt"


def _settings(config: FinetuneConfig) -> dict[str, Any]:
    return config.model_dump(
        mode="json", exclude={"out": True, "fit_all": True, "keep_s": True, "head_fit": {"keep_s"}}
    )


def _save_student(
    config: FinetuneConfig, path: Path, name: str, student: nn.Module, *, origin: Path, learning: Sequence[TunedSlide]
) -> None:
    """A model of its own: it records the student it was tuned from, the task, and the regions it was tuned on."""
    seen = {slide.slide for slide in learning}
    regions = (region for region in read_shards(shards_in(config.shards)) if region.meta.slide in seen)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_student(
        path,
        name,
        student.state_dict(),
        config.model_dump(mode="json"),
        regions_sha256(regions),
        tuned_from_sha256=file_sha256(origin),
        tuned_for=config.task,
    )


def _save_head(  # noqa: PLR0917 (two callers, above)
    config: FinetuneConfig,
    path: Path,
    name: str,
    head: StandardizedHead,
    student: Path,
    learning: Sequence[TunedSlide],
    epochs: int,
) -> None:
    """Bound to the tuned ``student``, a file: neither is of use with another."""
    encoder = (f"student:{name}", file_sha256(student))
    sizes = [len(slide.tiles) for slide in learning]
    hidden = config.head_fit.hidden
    save_head(path, head, facts_of(config, head, encoder, hidden=hidden, bag_sizes=sizes, epochs=epochs))
