"""The report on small data: every section is there, verdicts follow from what was built in."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cohort_maker import LABELS, make_bags, make_cohort, mil_task
from PIL import Image
from pydantic import ValidationError

from xmag_train.data.cohort.table import read_cohort, read_folds, write_rows
from xmag_train.evaluate import probe as probing
from xmag_train.evaluate.arms import read_oof
from xmag_train.evaluate.command import evaluate_all
from xmag_train.evaluate.config import EvaluateConfig, TileTask
from xmag_train.evaluate.gain import in_words, verdict_of
from xmag_train.evaluate.probe import embed_pictures, field_of, probe, probe_logits
from xmag_train.evaluate.report import speed_table
from xmag_train.evaluate.sites import site_folds
from xmag_train.evaluate.speed import SlideSpeed
from xmag_train.evaluate.teacher_agreement import TILES_MAX, drawn_tiles, mapped_cosine, mean_interval, spaces
from xmag_train.metrics.bootstrap import Interval
from xmag_train.mil.encode import EncoderConfig

FIT = {"hidden": 8, "learning_rate": 0.03, "epochs": 10, "bags_per_step": 4}
ENCODER = {"kind": "student", "name": "efficientnet_lite0"}


def study(root: Path, **more: object) -> EvaluateConfig:
    rows = make_cohort(root, cases=24)
    arms_and_more = {
        "fit": FIT,
        "teacher": {"name": "20x teacher", "bags": make_bags(root, "teacher", rows, 9.0)},
        "student": {"name": "5x student", "bags": make_bags(root, "student", rows, 9.0)},
        "organ_column": "organ",
        "sampled_tiles": [2, 50],
        **more,
    }
    task = mil_task(root, **arms_and_more)
    return EvaluateConfig.model_validate({"title": "Small", "tasks": [task], "out": root / "report"})


def test_report_is_written_with_every_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xmag_train.progress.LOG_EVERY_S", 0.0)
    blind = {"name": "blind", "bags": make_bags(tmp_path, "blind", make_cohort(tmp_path, cases=24), 0.0)}
    report = evaluate_all(study(tmp_path, arms=[blind])).read_text(encoding="utf-8")
    log = capsys.readouterr().err
    assert "folds: 2 of 3" in log and "fidelity and retrieval: 8 of 9" in log and "drift: 24 of 25" in log
    for title in ("Leave one site out", "Fidelity and retrieval", "Scanner shift", "From a sampled bag to the whole"):
        assert f"### {title}" in report
    assert "Not measured (nor across institutions)" in report
    assert "Not measured: the config names no slides" in report
    data = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["grade"]
    figures = {(row["arm"], row["figure"]): row for row in data["retention"]}
    assert figures["20x teacher", "auroc"]["verdict"] is None
    assert figures["5x student", "auroc"]["value"]["value"] > 0.9
    assert figures["blind", "auroc"]["verdict"] == "missed"
    assert {row["arm"] for row in data["sites"]} == {"20x teacher", "5x student", "blind"}
    assert [(row["whole"], row["tiles"]) for row in data["drift"]] == [("corpus bag", 2)]  # no bag is larger than 50
    assert "Against whole slides: not measured, no bag of one is named." in report
    assert "cases, whether a student was distilled on them is not known of 5x student, blind; means" in report
    assert "5x student, cases that its heads never saw (whether it was distilled on them is not known)," in report
    assert json.loads((tmp_path / "report" / "report.json").read_text())["wall_s"] > 0
    assert (tmp_path / "report" / "grade" / "differences.png").stat().st_size > 1000
    assert (tmp_path / "report" / "grade" / "roc.png").stat().st_size > 1000


def test_what_distilling_was_worth_is_said_in_words(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path, cases=24)
    before = {"name": "before", "bags": make_bags(tmp_path, "before", rows, 9.0), "undistilled": True}
    blind = {"name": "blind", "bags": make_bags(tmp_path, "blind", rows, 0.0)}
    report = evaluate_all(study(tmp_path, student=blind, arms=[before], leave_one_site_out=False)).read_text(
        encoding="utf-8"
    )
    assert "Distilling harmed the head: it does worse on blind than on before." in report
    gain = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["grade"]["head_gain"]
    assert gain["verdict"] == "harmed" and gain["difference"]["ci_high"] < 0 and gain["words"] in report
    assert set(gain["auroc"]) == {"blind", "before", "20x teacher"}
    with pytest.raises(ValidationError, match="undistilled is for one of the further arms"):
        study(tmp_path, student={**blind, "undistilled": True})


@pytest.mark.parametrize(
    ("low", "value", "high", "words"),
    [
        (0.01, 0.1, 0.2, "Distilling helped the head."),
        (-0.1, 0.1, 0.2, "Distilling did not help the head as far as 40 cases can tell"),
        (-0.2, -0.1, 0.1, "Distilling did not help the head: its AUROC is no higher with it than without."),
        (-0.2, -0.1, -0.01, "Distilling harmed the head"),
    ],
)
def test_a_gain_is_one_only_if_the_whole_interval_says_so(low: float, value: float, high: float, words: str) -> None:
    difference, arms = Interval(value, low, high, 40, 2000), ("5x", "ImageNet", "20x")
    auroc = dict.fromkeys(arms, Interval(0.8, 0.7, 0.9, 40, 2000))
    told = in_words(auroc, difference, verdict_of(difference), arms)
    assert told.startswith(words) and "0.800 (95 %: 0.700 to 0.900) on ImageNet" in told
    assert in_words(auroc, None, verdict_of(None), arms).startswith("Whether distilling helped the head is not known")


def test_folds_that_were_looked_at_are_also_left_out(tmp_path: Path) -> None:
    report = evaluate_all(study(tmp_path, chosen_on=[1], leave_one_site_out=False)).read_text(encoding="utf-8")
    assert "| same case | same case, without fold 1 |" in report
    data = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["grade"]
    student = next(row for row in data["spaces"] if row["arm"] == "5x student")
    assert data["chosen_on"] == [1]
    assert student["same_case"]["n_cases"] == 24 and student["same_case_unseen"]["n_cases"] == 16
    with pytest.raises(ValueError, match=r"chosen_on names the folds \[7\]; folds.csv has \[0, 1, 2\]"):
        evaluate_all(study(tmp_path, chosen_on=[1, 7]))


def test_an_organ_that_is_not_stated_is_none(tmp_path: Path) -> None:
    """Of the 24 cases 12 are of the lung: called unknown, they neither count nor stand in the way of the others."""
    config = study(tmp_path, leave_one_site_out=False)
    before = evaluate_all(config).read_text(encoding="utf-8")
    assert "rests on 150 of 150 regions, 24 cases and 2 organs" in before
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("lung", "site not stated"))
    report = evaluate_all(config).read_text(encoding="utf-8")
    assert "rests on 78 of 150 regions, 12 cases and 1 organ:" in report
    assert "No organ, and left out on either side: “site not stated”." in report
    data = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["grade"]
    assert {row["same_organ"]["value"] for row in data["spaces"]} == {1.0}  # the liver is all that is left
    assert {row["same_organ"]["n_cases"] for row in data["spaces"]} == {12}


def test_a_run_is_an_arm_if_it_judged_the_same_slides(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    cohort = read_cohort(tmp_path / "labels.csv", "grade", LABELS)
    folds = read_folds(tmp_path / "folds.csv", cohort)
    header = ["slide", "fold", "label", "logit_benign", "logit_malignant"]
    told = [(r[0], folds[r[1]], r[4], 0.0, index) for index, r in enumerate(rows)]
    write_rows(tmp_path / "oof.csv", header, told[::-1])
    assert read_oof(tmp_path / "oof.csv", cohort, folds)[:, 1].tolist() == list(range(len(rows)))
    with pytest.raises(ValueError, match="other folds"):
        read_oof(tmp_path / "oof.csv", cohort, {**folds, "c3": 2})
    write_rows(tmp_path / "oof.csv", header, told[1:])
    with pytest.raises(ValueError, match="other slides"):
        read_oof(tmp_path / "oof.csv", cohort, folds)


def test_nothing_is_trained_while_a_later_task_lacks_bags(tmp_path: Path) -> None:
    config = study(tmp_path)
    (tmp_path / "second").mkdir()
    rows = make_cohort(tmp_path / "second", cases=24)
    arms = {name: {"name": name, "bags": make_bags(tmp_path / "second", name, rows, 9.0)} for name in ("t", "s")}
    later = {**mil_task(tmp_path / "second", fit=FIT, teacher=arms["t"], student=arms["s"]), "name": "later"}
    both = EvaluateConfig.model_validate({**config.model_dump(), "tasks": [config.tasks[0].model_dump(), later]})
    (tmp_path / "second" / "s" / "s7-0.h5").unlink()  # as where `embed` skipped the slide
    with pytest.raises(FileNotFoundError, match=r"lacks bags of 1 slides, such as \['s7-0'\].*labels.csv"):
        evaluate_all(both)
    assert not list((tmp_path / "report").rglob("fold-*.json"))
    make_bags(tmp_path / "second", "s", rows, 9.0)
    pairs = [("s1-0", "s1-1"), ("s2-0", "s2-1")]
    write_rows(tmp_path / "pairs.csv", ["slide_a", "slide_b"], pairs)
    paired = {**later, "scanner_pairs": tmp_path / "pairs.csv"}
    with_pairs = EvaluateConfig.model_validate({**config.model_dump(), "tasks": [config.tasks[0].model_dump(), paired]})
    with pytest.raises(FileNotFoundError, match=r"lacks bags of 2 slides, such as \['s1-1', 's2-1'\]"):
        evaluate_all(with_pairs)
    assert not list((tmp_path / "report").rglob("fold-*.json"))
    later["student"] = {"name": "s", "run": tmp_path / "nowhere"}
    both = EvaluateConfig.model_validate({**config.model_dump(), "tasks": [config.tasks[0].model_dump(), later]})
    with pytest.raises(FileNotFoundError, match=r"has no oof\.csv and no metrics\.json"):
        evaluate_all(both)


def test_an_encoder_that_saw_the_site_is_not_judged_on_it(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path, cases=24)
    for fold in range(3):
        make_bags(tmp_path, f"own/{fold}", rows, 9.0)
    config = study(tmp_path, student={"name": "5x student", "bags": str(tmp_path / "own" / "{fold}")})
    report = evaluate_all(config).read_text(encoding="utf-8")
    assert "Not measured for 5x student: encoders that may have seen the site" in report
    assert "Within each fold's cases, which the fold's student never saw;" in report
    assert "5x student, unseen cases, absolute changes." in report
    data = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["grade"]
    assert data["encoders_sha256"] == ["own/0", "own/1", "own/2"]


def test_sites_without_which_a_class_has_one_case_cannot_be_left_out(tmp_path: Path) -> None:
    def found(*south: tuple[str, str]) -> str | None:
        rows = [(f"{site}{i}", f"{site}{i}", site, "xy"[i % 2]) for site in ("north", "west") for i in range(2)]
        rows += [(f"s{i}", case, "south", label) for i, (case, label) in enumerate(south)]
        write_rows(tmp_path / "labels.csv", ["slide", "case", "site", "t"], rows)
        return site_folds(read_cohort(tmp_path / "labels.csv", "t", ["x", "y"]), tmp_path / "sites.csv").unusable

    few = "without site north the cases of y left to learn from are 1, and two are needed"
    assert found(("c", "x"), ("d", "x")) == few
    assert found(("c", "x"), ("d", "y")) is None
    assert found(("c", "x"), ("c", "y"), ("c", "y")) is None


def test_mapped_cosine_of_a_linear_space_and_of_noise() -> None:
    rng = np.random.default_rng(0)
    teacher = rng.normal(size=(300, 5)).astype(np.float32)
    student = (teacher @ rng.normal(size=(5, 8)) + 3).astype(np.float32)
    assert mapped_cosine(student[:200], teacher[:200], student[200:], teacher[200:]).min() > 0.99
    noise = rng.normal(size=(300, 8)).astype(np.float32)
    assert abs(mapped_cosine(noise[:200], teacher[:200], noise[200:], teacher[200:]).mean()) < 0.25


def test_of_a_whole_slide_a_few_tiles_count_and_of_a_small_bag_all(tmp_path: Path) -> None:
    rows = make_cohort(tmp_path)
    cohort = read_cohort(tmp_path / "labels.csv", "grade", LABELS)
    folds = read_folds(tmp_path / "folds.csv", cohort)
    for tiles, counted in ((14, 14), (TILES_MAX + 5, TILES_MAX)):
        arms = {"20x": make_bags(tmp_path, f"teacher{tiles}", rows, 3.0, tiles=tiles)}
        arms["5x"] = make_bags(tmp_path, f"student{tiles}", rows, 3.0, tiles=tiles)
        found, _ = spaces(arms, "20x", cohort, folds, organs=None, chosen_on=())
        assert [space.instances for space in found] == [counted * len(rows)] * 2
    drawn = drawn_tiles("s1", 800)
    assert drawn.tolist() == drawn_tiles("s1", 800).tolist() == sorted(set(drawn.tolist()))
    assert drawn.tolist() != drawn_tiles("s2", 800).tolist()


def test_the_mean_of_rows_and_its_interval_by_case() -> None:
    rows, cases = np.array([1.0, 1.0, 0.0, np.nan, 1.0, 0.0]), ["a", "a", "b", "b", "c", "d"]
    found = mean_interval(rows, cases)
    assert found.value == pytest.approx(0.6)
    assert 0.0 <= found.ci_low < 0.6 < found.ci_high <= 1.0 and found.n_cases == 4
    assert mean_interval(np.full(2, np.nan), ["a", "b"]) is None


def tile_task(folder: Path, **more: object) -> TileTask:
    return TileTask.model_validate(
        {"kind": "tile", "name": "t", "folder": folder, "mpp": 2.0, "teacher": ENCODER, "student": ENCODER, **more}
    )


def paint_pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for label, red in (("dark", 60), ("light", 220)):
        (folder / label).mkdir(parents=True)
        for index in range(3):
            tint = (np.array([red, 90, 120]) + rng.integers(-9, 9, 3)).astype(np.uint8)
            Image.new("RGB", (224, 224), tuple(tint.tolist())).save(folder / label / f"{index}.png")


def test_linear_probe_of_colours(tmp_path: Path) -> None:
    paint_pictures(tmp_path / "fields")
    pictures, rows = probe(tile_task(tmp_path / "fields", folds=3), tmp_path / "out")
    assert pictures.labels == ("dark", "light")
    figures = {(row.arm, row.figure): row for row in rows}
    assert figures["student", "auroc"].value is not None
    assert figures["student", "auroc"].value.value == 1.0
    assert figures["student", "auroc"].verdict == "met"  # the same network on both sides loses nothing
    with pytest.raises(ValueError, match="less than the 448 px"):
        field_of(tmp_path / "fields" / "dark" / "0.png", 1.0)


def test_probe_of_three_labels_and_of_one_that_a_fold_has_alone() -> None:
    targets = np.repeat([0, 1, 2], 6)
    features = np.eye(3)[targets] * 3 + np.random.default_rng(0).normal(size=(18, 3)) * 0.1
    cases = [f"c{index}" for index in range(18)]
    logits = probe_logits(features, targets, cases, {case: index % 3 for index, case in enumerate(cases)})
    np.testing.assert_array_equal(logits.argmax(axis=1), targets)
    with pytest.raises(ValueError, match="no picture outside fold 0"):
        probe_logits(features, targets, cases, dict(zip(cases, targets.tolist(), strict=True)))


def test_pictures_are_embedded_once_and_anew_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "KEPT_PICTURES", 4)
    monkeypatch.setattr(probing, "BATCH_PICTURES", 3)
    paint_pictures(tmp_path / "fields")
    files = sorted((tmp_path / "fields").rglob("*.png"))
    first, kept = files[:4], tmp_path / "kept"
    encoder = EncoderConfig.model_validate(ENCODER)
    before = embed_pictures(files, 2.0, encoder, "cpu", kept)
    one_by_one = [embed_pictures([path], 2.0, encoder, "cpu", tmp_path / "single") for path in files]
    np.testing.assert_allclose(before, np.concatenate(one_by_one), atol=1e-4, rtol=1e-4)

    def refuse(*_arguments: object) -> None:
        raise AssertionError("it embeds again")

    monkeypatch.setattr(probing, "load_encoder", refuse)
    np.testing.assert_array_equal(embed_pictures(files, 2.0, encoder, "cpu", kept), before)
    np.testing.assert_array_equal(
        embed_pictures(first, 2.0, encoder, "cpu", kept), before[:4]
    )  # as after a kill in between
    shutil.copy(files[5], files[0])
    with pytest.raises(AssertionError, match="embeds again"):
        embed_pictures(files, 2.0, encoder, "cpu", kept)


def test_speed_is_told_as_ratios() -> None:
    rows = [
        SlideSpeed("s", "student", 2.0, 100, 35, 1.0, 10.0, 2.0),
        SlideSpeed("s", "teacher", 0.5, 1130, 64, 1.0, 50.0, 57.5),
    ]
    assert "| 100 | 1130 | 11.3x |" in speed_table(rows)
    assert speed_table(rows).endswith("| 2.0 (10 ms a tile, 35 timed) | 57.5 (50 ms a tile, 64 timed) | 28.8x |")


def test_unknown_keys_and_ambiguous_arms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="extra"):
        tile_task(tmp_path, colour="red")
    with pytest.raises(ValidationError, match="either bags or run"):
        study(tmp_path, teacher={"name": "t", "bags": "a", "run": "b"})
