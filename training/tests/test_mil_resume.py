"""`mil`, ended by SIGKILL in the midst of a fold, goes on to the very head and figures of a run left alone."""

import json
import shutil
from pathlib import Path

import torch
from cohort_maker import LABELS, make_bags, make_cohort
from killed import run_until_killed

from xmag_train.data.cohort.table import read_rows, write_rows
from xmag_train.files import save_torch
from xmag_train.mil.command import train_mil
from xmag_train.mil.config import MilConfig

EPOCHS = 15


def written_config(root: Path, bags: str) -> dict[str, object]:
    return {
        "task": "grade",
        "labels": LABELS,
        "positive_class": "malignant",
        "labels_csv": str(root / "labels.csv"),
        "folds_csv": str(root / "folds.csv"),
        "bags": bags,
        "fit": {"hidden": 8, "learning_rate": 0.02, "epochs_max": EPOCHS, "inner_folds": 2, "keep_s": 0.0},
    }


def test_killed_within_a_fold_and_resumed_is_as_one_run(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    content = written_config(tmp_path, make_bags(tmp_path, "bags", rows, 3.0))
    (tmp_path / "mil.yaml").write_text(json.dumps({**content, "out": str(tmp_path / "killed")}))
    folds = tmp_path / "killed" / "folds"
    part = folds / "fold-0.inner-1.part.pt"
    command = ["-c", "from xmag_train.cli import main; main()", "mil", "--config", str(tmp_path / "mil.yaml")]
    run_until_killed(command, part.is_file)
    assert not (folds / "fold-0.json").exists()
    stopped_at = torch.load(part, weights_only=True)
    assert 0 < len(stopped_at["state"]["curve"]) < EPOCHS, "it was killed within a fit, not between two"
    shutil.copytree(tmp_path / "killed", tmp_path / "tampered")

    resumed = train_mil(MilConfig.model_validate({**content, "out": tmp_path / "killed"}))
    alone = train_mil(MilConfig.model_validate({**content, "out": tmp_path / "alone"}))
    assert resumed["training"]["steps"] == alone["training"]["steps"]  # those before the kill included
    differing = {"config", "training"}
    first, second = ({k: v for k, v in run.items() if k not in differing} for run in (resumed, alone))
    assert first == second
    oof = [(tmp_path / run / "oof.csv").read_text() for run in ("killed", "alone")]
    assert oof[0] == oof[1]
    heads = [torch.load(tmp_path / run / "head.pt", weights_only=True)["state_dict"] for run in ("killed", "alone")]
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[1])
    assert not list((tmp_path / "killed").rglob("*.part.pt"))

    # What was kept is what it goes on from: spoil it, and the inner losses come out otherwise.
    stopped_at["state"]["judged"] = [9.0] * len(stopped_at["state"]["judged"])
    save_torch(tmp_path / "tampered" / "folds" / part.name, stopped_at)
    tampered = train_mil(MilConfig.model_validate({**content, "out": tmp_path / "tampered"}))
    losses = "inner_losses_by_epoch"
    assert tampered[losses]["0"] != alone[losses]["0"] and tampered[losses]["1"] == alone[losses]["1"]


def test_what_another_encoder_left_is_not_used(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    content = written_config(tmp_path, make_bags(tmp_path, "bags", rows, 3.0))
    content["fit"] = {**content["fit"], "epochs_max": 2}
    config = MilConfig.model_validate({**content, "out": tmp_path / "run"})
    before = train_mil(config)
    head = (tmp_path / "run" / "head.pt").stat().st_mtime_ns
    assert train_mil(config) == before
    assert (tmp_path / "run" / "head.pt").stat().st_mtime_ns == head
    shutil.rmtree(tmp_path / "bags")
    make_bags(tmp_path, "other", rows, 0.0)
    (tmp_path / "other").rename(tmp_path / "bags")
    assert train_mil(config)["inner_losses_by_epoch"] != before["inner_losses_by_epoch"]
    assert (tmp_path / "run" / "head.pt").stat().st_mtime_ns != head


def test_other_features_of_the_same_encoder_are_learnt_anew(tmp_path: Path) -> None:
    """As where a model's int8 student takes the place of its fp32 one: heads are bound to the same checkpoint."""
    rows = make_cohort(tmp_path)
    content = written_config(tmp_path, make_bags(tmp_path, "bags", rows, 3.0))
    content["fit"] = {"hidden": 8, "learning_rate": 0.02, "epochs": 1}
    config = MilConfig.model_validate({**content, "out": tmp_path / "run"})
    train_mil(config)
    oof = (tmp_path / "run" / "oof.csv").read_text()
    make_bags(tmp_path, "bags", rows, 2.9)
    train_mil(config)
    assert (tmp_path / "run" / "oof.csv").read_text() != oof


def test_a_corrected_label_or_case_is_learnt_anew(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    content = written_config(tmp_path, make_bags(tmp_path, "bags", rows, 3.0))
    content["fit"] = {"hidden": 8, "learning_rate": 0.02, "epochs": 1}
    config = MilConfig.model_validate({**content, "out": tmp_path / "run"})

    def outcome() -> tuple[list[float], list[str], int]:
        train_mil(config)
        first = json.loads((tmp_path / "run" / "folds" / "fold-1.json").read_text())
        return first["logits"], first["slides"], (tmp_path / "run" / "head.pt").stat().st_mtime_ns

    def rewrite(changed: dict[str, dict[str, str]]) -> None:
        table = read_rows(tmp_path / "labels.csv", ["slide"])
        told = [{**row, **changed.get(row["slide"], {})} for row in table]
        write_rows(tmp_path / "labels.csv", list(told[0]), [list(row.values()) for row in told])

    before = outcome()
    assert outcome() == before
    rewrite({"s7-0": {"grade": "benign"}})
    corrected = outcome()
    assert corrected[0] != before[0] and corrected[2] != before[2]
    rewrite({"s2-0": {"case": "c4"}, "s4-0": {"case": "c2"}})  # of the folds 1 and 2
    swapped = outcome()
    assert "s2-0" in corrected[1] and "s2-0" not in swapped[1] and "s4-0" in swapped[1]
    assert swapped[2] != corrected[2]
