"""`mil` on a small cohort: learns what is there, judges only what it did not see, resumes, calibrates when it may."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from cohort_maker import LABELS, make_bags, make_cohort

from xmag_train.data.cohort.table import read_rows
from xmag_train.export.card.card import calibration_in_words
from xmag_train.mil import crossval
from xmag_train.mil.bags import Bag, read_bag, write_bag
from xmag_train.mil.calibration import calibrate, fit_temperature
from xmag_train.mil.checkpoint import load_head
from xmag_train.mil.command import train_mil
from xmag_train.mil.config import FitConfig, MilConfig
from xmag_train.mil.fit import class_weights
from xmag_train.mil.heads import build_head
from xmag_train.mil.task import tell
from xmag_train.networks.onnx_export import export_onnx

FIT = FitConfig(hidden=8, learning_rate=0.02, epochs_max=8, inner_folds=2, bags_per_step=4)


def config(root: Path, bags: str, **more: object) -> MilConfig:
    return MilConfig(
        task="grade",
        labels=LABELS,
        positive_class="malignant",
        labels_csv=root / "labels.csv",
        folds_csv=root / "folds.csv",
        bags=bags,
        fit=FIT,
        out=root / "run",
        **more,
    )


def test_run_writes_head_and_figures(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path, cases=12)
    metrics = train_mil(config(tmp_path, make_bags(tmp_path, "bags", rows, signal=8.0)))
    assert metrics["auroc"]["value"] > 0.85
    assert metrics["n_slides"] == 13
    assert metrics["n_cases"] == 12
    assert metrics["calibration"]["status"] == "none"
    head, facts = load_head(tmp_path / "run" / "head.pt", "bags")
    assert facts.epochs == metrics["epochs"]["median"]
    assert (facts.bag_size_min, facts.bag_size_max) == (6, 6)
    assert head(torch.zeros((3, 8))).logits.shape == (2,)
    oof = read_rows(tmp_path / "run" / "oof.csv", ["slide", "logit_malignant", "p_malignant"])
    assert [row["slide"] for row in oof] == [row[0] for row in rows]
    load_head(tmp_path / "run" / "folds" / "head-0.pt", "bags")
    with pytest.raises(ValueError, match="another encoder"):
        load_head(tmp_path / "run" / "folds" / "head-0.pt", "others")


def test_steps_and_seconds_of_all_fits_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_cohort(tmp_path, cases=12)
    steps, real = [0], torch.optim.AdamW.step

    def counted(*arguments, **more):
        steps[0] += 1
        return real(*arguments, **more)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    run = config(tmp_path, make_bags(tmp_path, "bags", rows, 3.0))
    training = train_mil(run)["training"]
    assert training["steps"] == steps[0] > 100
    assert training["wall_s"] > 0
    assert train_mil(run)["training"] == training  # of what is there already


def test_no_head_learns_from_a_case_that_it_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_cohort(tmp_path)
    seen: list[set[str]] = []
    real = crossval.fit_head

    def spy(examples, *arguments, **more):
        seen.append({example.case for example in examples})
        return real(examples, *arguments, **more)

    monkeypatch.setattr(crossval, "fit_head", spy)
    train_mil(config(tmp_path, make_bags(tmp_path, "bags", rows, 3.0), fit_all=False))
    case_of = {slide: case for slide, case, *_ in rows}
    for fold, cases in enumerate(seen):
        judged = json.loads((tmp_path / "run" / "folds" / f"fold-{fold}.json").read_text())["slides"]
        assert judged
        assert cases.isdisjoint({case_of[slide] for slide in judged})
    assert not (tmp_path / "run" / "head.pt").exists()


def test_each_fold_reads_its_own_bags_and_finished_folds_are_kept(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    for fold in ("0", "1", "2", "all"):
        make_bags(tmp_path, f"bags/{fold}", rows, 4.0)
    first = train_mil(config(tmp_path, str(tmp_path / "bags" / "{fold}")))
    kept = tmp_path / "run" / "folds" / "fold-0.json"
    before = kept.stat().st_mtime_ns
    (tmp_path / "run" / "folds" / "fold-1.json").unlink()
    again = train_mil(config(tmp_path, str(tmp_path / "bags" / "{fold}")))
    assert kept.stat().st_mtime_ns == before
    assert again["auroc"] == first["auroc"]
    (tmp_path / "bags" / "2" / "s4-0.h5").unlink()
    (tmp_path / "run" / "folds" / "fold-2.json").unlink()
    with pytest.raises(FileNotFoundError, match="s4-0"):
        train_mil(config(tmp_path, str(tmp_path / "bags" / "{fold}")))


def test_one_encoder_in_a_folder_for_each_fold_is_still_one(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    for fold in range(3):
        make_bags(tmp_path, f"bags/{fold}", rows, 4.0)
    run = config(tmp_path, str(tmp_path / "bags" / "{fold}"), fit_all=False)
    own = train_mil(run)
    assert own["encoders_sha256"] == ["bags/0", "bags/1", "bags/2"]
    assert "none is of data that the judging model learnt from" in own["procedure"]
    shutil.rmtree(tmp_path / "bags" / "1")
    shutil.copytree(tmp_path / "bags" / "0", tmp_path / "bags" / "1")
    told = train_mil(run)["procedure"]
    assert "judging model" not in told and "whether it learnt from these cases is not known" in told


def test_rare_class_weighs_more() -> None:
    assert class_weights([0, 0, 0, 1], 2).tolist() == pytest.approx([4 / 6, 2.0])
    with pytest.raises(ValueError, match="without a slide"):
        class_weights([0, 0], 2)


def test_bags_come_back_and_spoilt_ones_are_refused(tmp_path: Path) -> None:
    bag = Bag(np.ones((2, 3), np.float32), np.zeros((2, 2), np.int64), {"encoder": "e", "encoder_sha256": "f"})
    write_bag(tmp_path / "a.h5", bag)
    assert read_bag(tmp_path / "a.h5").encoder() == ("e", "f")
    write_bag(tmp_path / "b.h5", Bag(np.full((2, 3), np.nan, np.float32), bag.coords))
    with pytest.raises(ValueError, match="not finite"):
        read_bag(tmp_path / "b.h5")


def overconfident(n: int, rare: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Logits three times too large: drawn from their own probabilities at temperature 3."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % (n // rare) == 0
    margin = np.where(labels, 1.0, -1.0) + rng.normal(size=n) * np.sqrt(1.0)
    logits = np.stack([np.zeros(n), 3 * 2 * margin], axis=1)  # log odds of two unit normals at ±1 are 2 m
    return logits, labels.astype(np.int64), [f"c{i}" for i in range(n)]


def test_no_calibration_below_100_cases_or_30_of_a_class() -> None:
    for n, rare in ((99, 33), (400, 20)):
        found, shares = calibrate(*overconfident(n, rare), LABELS, positive=1)
        assert shares == []
        assert (found.status, found.temperature, found.threshold) == ("none", 1.0, None)
    logits, labels, _ = overconfident(400, 200)
    cases = [f"c{i % 80}" for i in range(400)]
    assert calibrate(logits, labels, cases, LABELS, positive=1).calibration.status == "none"


def test_temperature_undoes_overconfidence() -> None:
    logits, labels, cases = overconfident(1000, 500)
    found, shares = calibrate(logits, labels, cases, LABELS, positive=1)
    assert found.status == "temperature" and all(share.agrees for share in shares)
    assert found.temperature == pytest.approx(3.0, rel=0.2)
    assert found.threshold == pytest.approx(0.5, abs=0.15)
    assert fit_temperature(logits / found.temperature, labels) == pytest.approx(1.0, rel=0.02)


def test_scores_for_classes_equally_common_are_no_probabilities_where_they_are_not() -> None:
    """Class weights teach the log odds of a balanced cohort; of these slides an eighth are malignant."""
    logits, labels, cases = overconfident(1200, 150)
    logits /= 3
    found, shares = calibrate(logits, labels, cases, LABELS, positive=1)
    assert (found.status, found.temperature, found.threshold) == ("none", 1.0, None)
    assert (found.n_cases, found.n_cases_rarest_class) == (1200, 150)
    assert shares[1].share == 0.125 and shares[1].mean_probability > 0.18 and not shares[1].agrees
    told = calibration_in_words(found, shares)
    assert "mean predicted probability of a class differs from its frequency" in told and "malignant 0." in told
    assert f"(0.125; +{shares[1].ci_low:.3f} to +{shares[1].ci_high:.3f}). The score is no probability" in told

    metrics = {"auroc": None, "balanced_accuracy": None, "calibration": found.model_dump(), "n_cases": 1200}
    metrics |= {"n_cases_rarest_class": 150, "class_shares": [share.model_dump() for share in shares]}
    assert tell(metrics)[-1].endswith(f"to +{shares[1].ci_high:.3f}): they differ, hence no calibration")

    prior = np.array([0.0, np.log(150 / 1050)])
    found, shares = calibrate(logits + prior, labels, cases, LABELS, positive=1)
    assert found.status == "temperature" and found.temperature == pytest.approx(1.0, rel=0.2)
    assert shares[1].mean_probability == pytest.approx(0.125, abs=0.02)
    told = calibration_in_words(found, shares)
    assert (
        f", threshold {found.threshold:.3f} (of greatest balanced accuracy on the same out-of-fold scores), from"
        in told
    )
    assert "does not clearly differ from its share of the slides (in brackets, with" in told and ": benign 0.8" in told
    assert ", no threshold, from" in calibration_in_words(found.model_copy(update={"threshold": None}), shares)


@pytest.mark.parametrize("name", ["mean", "clam", "dsmil", "transmil"])
def test_every_other_head_runs_the_same_way_and_comes_back(name: str, tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    fit = FitConfig(hidden=8, epochs=2)
    run = config(tmp_path, make_bags(tmp_path, "bags", rows, 4.0), head=name).model_copy(update={"fit": fit})
    metrics = train_mil(run)
    assert (metrics["head"], metrics["epochs"]["median"]) == (name, 2)
    head, facts = load_head(tmp_path / "run" / "head.pt", "bags")
    assert facts.head == name
    assert torch.isfinite(head(torch.ones((5, 8))).logits).all()


@pytest.mark.parametrize("name", ["gated_attention", "mean", "clam", "dsmil"])
def test_a_head_that_fits_a_served_model_becomes_a_graph_of_any_bag_size(name: str, tmp_path: Path) -> None:
    head = build_head(name, 8, 2, 4, seed=0).eval()
    names = ["logits", "attention", "tile_scores"]
    export_onnx(head, torch.zeros((3, 8)), tmp_path / "h.onnx", graph="h", input_name="embeddings", output_names=names)
    session = onnxruntime.InferenceSession(tmp_path / "h.onnx", providers=["CPUExecutionProvider"])
    for tiles in (1, 2, 40):
        bag = torch.randn((tiles, 8), generator=torch.Generator().manual_seed(tiles))
        with torch.inference_mode():
            wanted = head(bag)
        for found, value in zip(session.run(names, {"embeddings": bag.numpy()}), wanted, strict=True):
            np.testing.assert_allclose(found, value, atol=1e-5)
