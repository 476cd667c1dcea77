"""A run is what it learns from and how: finished, it is left as it is; a folder of another one is refused."""

from pathlib import Path

import pytest
import torch
from test_distill_run import TinyStudent
from tiny_distill import TinyTeacher, tiny_config

from xmag_train.distill.config import DistillConfig
from xmag_train.distill.loop import data, learner
from xmag_train.distill.loop.train import train


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DistillConfig:
    """Of a run that has come to its end, from weights in a file."""
    monkeypatch.setattr(data, "build_teacher", lambda *_: TinyTeacher())
    monkeypatch.setattr(learner, "build_student", lambda *_: TinyStudent())
    (tmp_path / "first.pt").write_text("stage one")
    config = from_weights(tiny_config(tmp_path, tmp_path / "run"), tmp_path / "first.pt")
    assert train(config)
    return config


def from_weights(config: DistillConfig, weights: Path) -> DistillConfig:
    return config.model_copy(update={"student": config.student.model_copy(update={"weights": str(weights)})})


def test_a_finished_run_is_left_as_it_is_wherever_its_files_lie(config: DistillConfig, tmp_path: Path) -> None:
    student = config.out / "student.pt"
    before = student.read_bytes(), student.stat().st_mtime_ns
    (config.out / "checkpoint.pt").unlink()
    (tmp_path / "first.pt").rename(tmp_path / "moved.pt")
    assert not train(from_weights(config, tmp_path / "moved.pt"))
    assert (student.read_bytes(), student.stat().st_mtime_ns) == before


@pytest.mark.parametrize("left", ["student.pt", "checkpoint.pt"])
def test_another_recipe_is_refused(config: DistillConfig, left: str) -> None:
    for name in {"student.pt", "checkpoint.pt"} - {left}:
        (config.out / name).unlink()
    optim = config.optim.model_copy(update={"learning_rate": 1e-3})
    words = r"\(optim\.learning_rate 0\.0005, now 0\.001; seed 0, now 1\)"
    with pytest.raises(ValueError, match=rf"{left} is of a run by another config {words}: choose"):
        train(config.model_copy(update={"seed": 1, "optim": optim}))


def test_other_weights_at_the_same_path_are_refused(config: DistillConfig, tmp_path: Path) -> None:
    (tmp_path / "first.pt").write_text("stage one, trained anew")
    with pytest.raises(ValueError, match="other weights"):
        train(config)


def test_another_teacher_of_the_same_name_is_refused(config: DistillConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    other = TinyTeacher()
    other.mix += torch.ones(())
    monkeypatch.setattr(data, "build_teacher", lambda *_: other)
    with pytest.raises(ValueError, match="other weights"):
        train(config)
