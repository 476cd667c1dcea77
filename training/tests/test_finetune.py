"""End to end: the loss goes down, batch norms stand still, the distillation is held on to, the run is whole."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cohort_maker import LABELS
from killed import run_until_killed
from pydantic import ValidationError
from tiny_finetune import WIDTH, config_of, make_study, tiny_origin, tiny_student
from torch import nn

from xmag_train.data.cohort.table import read_cohort
from xmag_train.data.shards import read_shards, shards_in
from xmag_train.finetune import command
from xmag_train.finetune.config import FinetuneConfig, HeadStartConfig, TuneConfig
from xmag_train.finetune.fit import TunedModel, embed_slide, fit_projection, tune_epochs
from xmag_train.finetune.slides import TunedSlide, load_slides
from xmag_train.mil.bags import Bag, read_bag, write_bag
from xmag_train.mil.checkpoint import load_head
from xmag_train.mil.heads import build_head
from xmag_train.mil.keep import KeptFit, KeptFits
from xmag_train.networks.students.checkpoint import read_checkpoint


def painted_slides(slides: int = 6, regions: int = 3) -> list[TunedSlide]:
    rng = np.random.default_rng(0)
    made = []
    for index in range(slides):
        tiles = rng.integers(90, 160, (regions, 224, 224, 3), dtype=np.uint8)
        tiles[..., 0] += 60 * (index % 2)
        targets = nn.functional.normalize(torch.from_numpy(rng.normal(size=(regions, 5)).astype(np.float32)), dim=1)
        made.append(TunedSlide(f"s{index}", f"c{index}", index % 2, torch.from_numpy(tiles), targets))
    return made


def tiny_model(seed: int = 0) -> TunedModel:
    torch.manual_seed(seed)
    student, head = tiny_student(), build_head("gated_attention", WIDTH, 2, 8, seed=0)
    head.fit(torch.cat([embed_slide(student, slide.tiles) for slide in painted_slides()]))
    return TunedModel(student, head, nn.Linear(WIDTH, 5))


def unkept(folder: Path) -> KeptFit:
    """A fit that no earlier run left anything of."""
    return KeptFits(folder, "none", "none", 1e9).part("whole")


def curve(folder: Path, settings: TuneConfig, epochs: int, seed: int = 0) -> list[dict[str, float]]:
    folder.mkdir()
    kept = unkept(folder)
    return tune_epochs(tiny_model(), painted_slides(), 2, settings, epochs=epochs, seed=seed, kept=kept)[0]


def test_both_losses_go_down_and_batch_norms_stand_still(tmp_path: Path) -> None:
    model = tiny_model()
    before = {name: value.clone() for name, value in model.student.state_dict().items()}
    settings = TuneConfig(student_learning_rate=1e-4, head_learning_rate=1e-2, bags_per_step=2)
    losses, _ = tune_epochs(model, painted_slides(), 2, settings, epochs=12, seed=0, kept=unkept(tmp_path))
    assert losses[-1]["classification"] < 0.5 * losses[0]["classification"]
    assert losses[-1]["distillation"] < losses[0]["distillation"] - 0.05
    after = model.student.state_dict()
    assert not torch.equal(after["conv.weight"], before["conv.weight"])
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(after[f"norm.{name}"], before[f"norm.{name}"]), name


def test_lambda_zero_lets_the_distillation_go(tmp_path: Path) -> None:
    ends = {}
    for weight in (0.0, 1.0):
        settings = TuneConfig(student_learning_rate=1e-4, head_learning_rate=1e-2, distillation=weight)
        ends[weight] = curve(tmp_path / str(weight), settings, 6)[-1]
    assert ends[1.0]["distillation"] < ends[0.0]["distillation"]


def test_same_seed_same_curve(tmp_path: Path) -> None:
    settings = TuneConfig()
    runs = [curve(tmp_path / name, settings, 2, seed=5) for name in "ab"]
    assert runs[0] == runs[1]


def test_projection_starts_where_a_linear_map_exists() -> None:
    generator = torch.Generator().manual_seed(0)
    x, matrix = torch.randn((200, 4), generator=generator), torch.randn((4, 3), generator=generator)
    linear = fit_projection(x, x @ matrix + 2)
    assert nn.functional.cosine_similarity(linear(x), x @ matrix + 2, dim=1).min() > 0.999


def test_a_head_start_of_which_one_thing_is_stated_keeps_its_epochs() -> None:
    assert HeadStartConfig.model_validate({"hidden": 256}).epochs == HeadStartConfig().epochs == 7
    with pytest.raises(ValidationError, match="epochs"):
        HeadStartConfig.model_validate({"epochs": None})


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FinetuneConfig:
    make_study(tmp_path)
    monkeypatch.setattr(command, "student_of", lambda _pattern, _fold: tiny_origin(tmp_path))
    return config_of(tmp_path, "run")


def test_run_makes_a_model_of_its_own(study: FinetuneConfig) -> None:
    metrics = command.train_end_to_end(study)
    assert metrics["n_cases"] == 12
    head, facts = load_head(study.out / "head.pt")
    content = read_checkpoint(study.out / "student.pt")
    assert content["tuned_for"] == "grade"
    tuned = tiny_student()
    tuned.load_state_dict(content["state_dict"])
    assert not torch.equal(tuned.conv.weight, tiny_student().conv.weight)
    assert head(tuned(torch.zeros((2, 224, 224, 3), dtype=torch.uint8))[0]).logits.shape == (2,)
    with pytest.raises(ValueError, match="another encoder"):
        load_head(study.out / "head.pt", content["tuned_from_sha256"])
    assert facts.encoder == "student:tiny"
    seen = {path.name: read_checkpoint(path)["regions_sha256"] for path in (study.out / "folds").glob("student-*.pt")}
    assert len(set(seen.values())) == 3  # each fold's student was tuned on other regions


def test_each_folds_head_goes_with_its_own_student_alone(study: FinetuneConfig) -> None:
    metrics = command.train_end_to_end(study.model_copy(update={"fit_all": False}))
    folds = study.out / "folds"
    digests = [hashlib.sha256((folds / f"student-{fold}.pt").read_bytes()).hexdigest() for fold in range(3)]
    assert metrics["encoders_sha256"] == digests
    assert "whether it learnt from these cases is not known" in metrics["procedure"]  # all are tuned from one student
    cohort = read_cohort(study.labels_csv, "grade", LABELS)
    slides = load_slides(read_shards(shards_in(study.shards)), cohort.rows, study.teacher_bags)
    for fold in range(3):
        head, facts = load_head(folds / f"head-{fold}.pt", digests[fold])
        assert facts.bag_size_max == 2
        student = tiny_student()
        student.load_state_dict(read_checkpoint(folds / f"student-{fold}.pt")["state_dict"])
        result = json.loads((folds / f"fold-{fold}.json").read_text())
        for slide, logits in zip(result["slides"], result["logits"], strict=True):
            found = head(embed_slide(student, slides[slide].tiles)).logits
            torch.testing.assert_close(found.double(), torch.tensor(logits, dtype=torch.float64))
        with pytest.raises(ValueError, match="another encoder"):
            load_head(folds / f"head-{fold}.pt", digests[fold - 1])
    (folds / "head-1.pt").unlink()  # as a run left it that kept no heads
    command.train_end_to_end(study.model_copy(update={"fit_all": False}))
    load_head(folds / "head-1.pt", digests[1])


def test_targets_follow_their_regions_by_place(study: FinetuneConfig) -> None:
    cohort = read_cohort(study.labels_csv, "grade", LABELS)
    slides = load_slides(read_shards(shards_in(study.shards)), cohort.rows, study.teacher_bags)
    first = cohort.rows[0].slide
    stored = torch.from_numpy(read_bag(study.teacher_bags / f"{first}.h5").features)
    torch.testing.assert_close(slides[first].targets, nn.functional.normalize(stored[[1, 0]], dim=1))
    write_bag(study.teacher_bags / f"{first}.h5", Bag(stored.numpy(), np.array([[5, 5], [0, 0]])))
    with pytest.raises(ValueError, match="not those of the shards"):
        load_slides(read_shards(shards_in(study.shards)), cohort.rows, study.teacher_bags)


@pytest.mark.usefixtures("study")
def test_killed_within_a_fold_and_resumed_is_as_one_run(tmp_path: Path) -> None:
    epochs = 6
    part = tmp_path / "killed" / "folds" / "fold-0.inner.part.pt"
    script = Path(__file__).with_name("tiny_finetune.py")
    run_until_killed([str(script), str(tmp_path), "killed", str(epochs)], part.is_file)
    stopped_at = torch.load(part, weights_only=True)["state"]
    assert 0 < len(stopped_at["curve"]) < epochs, "it was killed within a fit, not between two"
    assert not (part.parent / "fold-0.json").exists()
    resumed = command.train_end_to_end(config_of(tmp_path, "killed", epochs))
    alone = command.train_end_to_end(config_of(tmp_path, "alone", epochs))
    assert resumed["inner_losses_by_epoch"]["0"][: len(stopped_at["judged"])] == stopped_at["judged"]
    assert resumed["training"]["steps"] == alone["training"]["steps"]  # those before the kill included
    differing = {"config", "training", "encoders_sha256"}  # a tuned student says where its run lies
    first, second = ({k: v for k, v in run.items() if k not in differing} for run in (resumed, alone))
    assert first == second
    for name in ("student.pt", "head.pt", "folds/student-2.pt"):
        first, second = (
            torch.load(tmp_path / run / name, weights_only=True)["state_dict"] for run in ("killed", "alone")
        )
        assert all(torch.equal(first[key], second[key]) for key in second), name
