"""The card tells figures as they were measured, with their intervals, and of two students the worse."""

import json
from pathlib import Path

import pytest

from app.inference.manifest import Fidelity
from xmag_train.evaluate.config import EvaluateConfig
from xmag_train.export.card.bound import refuse_report_of_others
from xmag_train.export.card.card import reading_table
from xmag_train.export.card.figures import gain_in_words, how_judged, report_section, same_case_in_words
from xmag_train.export.config import HeadConfig
from xmag_train.export.measure.precision_fidelity import fidelity_in_words, worse_of
from xmag_train.mil.keep import Effort
from xmag_train.mil.task import FoldResult, procedure

TRAINING = Path(__file__).resolve().parents[1]


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "ci_low": low, "ci_high": high, "n_cases": 40, "n_draws": 2000}


def test_the_reports_figures_stand_on_the_card_with_intervals(tmp_path: Path) -> None:
    teacher = {"arm": "20x", "figure": "auroc", "value": interval(0.81, 0.7, 0.9), "difference": None, "verdict": None}
    student = {**teacher, "arm": "5x", "difference": interval(-0.02, -0.1, 0.05), "verdict": "inconclusive"}
    space = {"arm": "5x", "agreement": None, "same_case": interval(0.9, 0.85, 0.95), "same_organ": None}
    space |= {"same_case_unseen": interval(0.88, 0.8, 0.94), "mapped_cosine": None, "instances": 685}
    gain = {"words": "Distilling did not help the head: …"}
    task = {"student": "5x", "retention": [teacher, student], "spaces": [space], "chosen_on": [0], "head_gain": gain}
    (tmp_path / "report.json").write_text(json.dumps({"tasks": {"atlas": task}}))
    lines = report_section(tmp_path / "report.json").splitlines()
    assert lines[0] == "### atlas"
    assert "| 20x | auroc | 0.810 (0.700 to 0.900) |  |  |" in lines
    assert "| 5x | auroc | 0.810 (0.700 to 0.900) | -0.020 (-0.100 to +0.050) | inconclusive |" in lines
    assert "| 5x | same case | 0.900 (0.850 to 0.950) | | |" in lines
    assert "| 5x | same case, without fold 0 | 0.880 (0.800 to 0.940) | | |" in lines
    assert not any("agreement" in line for line in lines)  # what was not measured is no line
    assert (
        "Same-case retrieval of 5x over all folds: 0.900 (0.850 to 0.950). Without fold 0, looked at to choose the "
        "recipe: 0.880 (0.800 to 0.940)."
    ) in lines
    assert lines[-1] == gain["words"]


def test_what_the_report_does_not_say_the_card_says_is_missing() -> None:
    space = {"arm": "5x", "same_case": interval(0.9, 0.85, 0.95), "same_case_unseen": interval(0.9, 0.85, 0.95)}
    assert same_case_in_words({"student": "5x", "spaces": [space]}).endswith(
        "The report names no fold that was looked at to choose the recipe."
    )
    assert same_case_in_words({"student": "run"}) == "Same-case retrieval: the report has none of the student."
    assert gain_in_words({}).startswith("The effect of distilling on the head was not measured")


def test_of_two_students_each_figure_is_the_worse() -> None:
    first = Fidelity(cosine_median=0.995, cosine_min=0.98, score_change_max=None, n_tiles=8, n_slides=2)
    second = Fidelity(cosine_median=0.994, cosine_min=0.99, score_change_max=0.02, n_tiles=8, n_slides=2)
    assert fidelity_in_words(first).endswith("0.9800 (lowest); largest change of a slide's score no head to compare by")
    assert fidelity_in_words(second).endswith("largest change of a slide's score 0.0200")
    assert worse_of(first, second) == first.model_copy(update={"cosine_median": 0.994, "score_change_max": 0.02})


def test_a_way_that_was_not_measured_is_told_from_one_that_changes_nothing() -> None:
    regions = {"box": {"a": 0.99129, "b": 0.99138}, "dct": {"a": 0.999}}
    assert reading_table(regions, {})[2] == "| box | 0.9912 | 0.9912 (a; 2 slides) | not measured |"
    _, _, box, dct = reading_table(regions, {"box": {"w": 0.97829}})
    assert box == "| box | 0.9782 | 0.9912 (a; 2 slides) | 0.9782 (w; 1 slides) |"
    assert dct == "| dct | 0.9990 | 0.9990 (a; 1 slides) | no slide uses it |"


def results(losses: list[float]) -> list[FoldResult]:
    return [
        FoldResult(fold=fold, epochs=7, losses=losses, slides=[], logits=[], effort=Effort(steps=1, wall_s=1.0))
        for fold in range(5)
    ]


def report(path: Path, config: EvaluateConfig, *arms: str) -> Path:
    """report.json of a study in which these arms were there."""
    found = {task.name: {"retention": [{"arm": arm} for arm in arms]} for task in config.tasks}
    path.write_text(json.dumps({"config": config.model_dump(mode="json"), "tasks": found}))
    return path


def test_the_shipped_cards_sentences_follow_from_its_recipe(tmp_path: Path) -> None:
    card = (TRAINING.parent / "models" / "xmag-lite0" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert procedure(results([0.7, 0.6]), refit=True, encoder_of_fold=True) in card
    config = EvaluateConfig.read(TRAINING / "configs" / "atlas" / "evaluate.yaml")
    arms = ("20x teacher", "5x student", "ImageNet student")
    assert how_judged(report(tmp_path / "report.json", config, *arms)) in card


def test_the_card_claims_no_more_than_the_configs_tell(tmp_path: Path) -> None:
    told = procedure(results([]), refit=False, encoder_of_fold=False)
    assert "epochs stated beforehand" in told and "chosen" not in told and "shipped" not in told
    assert "judging head learnt from. One encoder serves all folds: whether it learnt from these cases is not" in told
    config = EvaluateConfig.read(TRAINING / "configs" / "atlas" / "evaluate.yaml")
    task = config.tasks[0]
    one_for_all = task.model_copy(update={"student": task.student.model_copy(update={"bags": "runs/mine"})})
    changed = config.model_copy(update={"tasks": [one_for_all]})
    judged = how_judged(report(tmp_path / "report.json", changed, "20x teacher", "5x student", "end to end"))
    assert "it was not distilled on" not in judged
    assert "distilled on the cases that judge them: 5x student, end to end." in judged


def test_a_report_of_other_students_or_tables_than_the_head_is_refused(tmp_path: Path) -> None:
    bound = {"labels_sha256": "l", "folds_sha256": "f", "encoders_sha256": ["a", "b"]}
    head = HeadConfig(checkpoint=tmp_path / "head.pt", metrics=tmp_path / "metrics.json", intended_use="A test.")
    (tmp_path / "metrics.json").write_text(json.dumps({"task": "grade", **bound}))

    def judge(task: str, **found: object) -> None:
        content = {"config": {"tasks": [{"name": "here", "task": task}]}, "tasks": {"here": found}}
        (tmp_path / "report.json").write_text(json.dumps(content))
        refuse_report_of_others(tmp_path / "report.json", [head])

    judge("grade", **bound)
    judge("site")
    for other in ({"labels_sha256": "new"}, {"encoders_sha256": ["a", "c"]}, {"encoders_sha256": None}):
        with pytest.raises(ValueError, match=r"judged grade by other labels, folds or students .* evaluate` again"):
            judge("grade", **{**bound, **other})
