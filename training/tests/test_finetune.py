"""End to end: the loss goes down, batch norms stand still, the distillation is held on to, the run is whole."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from cohort_maker import LABELS, make_cohort
from PIL import Image
from torch import Tensor, nn

from xmag_train.cohort.table import read_cohort
from xmag_train.data.shards import Region, RegionMeta, read_shards, shards_in, write_shards
from xmag_train.finetune import command
from xmag_train.finetune.config import FinetuneConfig, TuneConfig
from xmag_train.finetune.fit import TunedModel, embed_slide, fit_projection, tune_epochs
from xmag_train.finetune.slides import TunedSlide, load_slides
from xmag_train.mil.bags import Bag, read_bag, write_bag
from xmag_train.mil.checkpoint import load_head
from xmag_train.mil.config import FitConfig
from xmag_train.mil.heads import build_head
from xmag_train.mil.keep import KeptFit, KeptFits
from xmag_train.students.checkpoint import read_checkpoint

WIDTH = 6


class TinyStudent(nn.Module):
    """One convolution: enough to learn which colour a tile has."""

    embedding_dim = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTH, 8, stride=32)
        self.norm = nn.BatchNorm2d(WIDTH)

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        found = torch.relu(self.norm(self.conv(tiles.permute(0, 3, 1, 2).float() / 255)))
        return found.mean(dim=(2, 3)), found[:, :, :4, :4].permute(0, 2, 3, 1)


def tiny_student() -> TinyStudent:
    torch.manual_seed(0)
    return TinyStudent().eval()


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


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FinetuneConfig:
    rows = make_cohort(tmp_path)
    rng = np.random.default_rng(0)
    regions = []
    for slide, case, site, organ, label in rows:
        for x0 in (0, 1792):
            tint = np.array([160 if label == "malignant" else 90, 100, 120])
            pixels = (tint + rng.integers(-20, 20, (14, 14, 1))).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).resize((896, 896), Image.Resampling.NEAREST).save(buffer, "JPEG")
            about = {"slide": slide, "case": case, "site": site, "organ": organ, "label": label, "mpp": 0.25}
            more = {"stain": "H&E", "scanner": "x", "x0": x0, "y0": 0, "side0": 1792, "tissue_fraction": 1.0}
            regions.append(Region(buffer.getvalue(), RegionMeta(**about, **more)))
        features = rng.normal(size=(2, 5)).astype(np.float32)
        write_bag(tmp_path / "teacher" / f"{slide}.h5", Bag(features, np.array([[1792, 0], [0, 0]])))
    write_shards(regions, tmp_path / "shards", "r")
    (tmp_path / "origin.pt").write_bytes(b"origin")
    monkeypatch.setattr(command, "student_of", lambda _p, _f: ("tiny", tiny_student(), tmp_path / "origin.pt"))
    return FinetuneConfig(
        task="grade",
        labels=LABELS,
        labels_csv=tmp_path / "labels.csv",
        folds_csv=tmp_path / "folds.csv",
        shards=tmp_path / "shards",
        student="unused",
        teacher_bags=tmp_path / "teacher",
        head_fit=FitConfig(hidden=8, epochs=2),
        tune=TuneConfig(epochs_max=2, inner_folds=2, student_learning_rate=1e-3),
        out=tmp_path / "run",
    )


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


def test_targets_follow_their_regions_by_place(study: FinetuneConfig) -> None:
    cohort = read_cohort(study.labels_csv, "grade", LABELS)
    slides = load_slides(read_shards(shards_in(study.shards)), cohort.rows, study.teacher_bags)
    first = cohort.rows[0].slide
    stored = torch.from_numpy(read_bag(study.teacher_bags / f"{first}.h5").features)
    torch.testing.assert_close(slides[first].targets, nn.functional.normalize(stored[[1, 0]], dim=1))
    write_bag(study.teacher_bags / f"{first}.h5", Bag(stored.numpy(), np.array([[5, 5], [0, 0]])))
    with pytest.raises(ValueError, match="not those of the shards"):
        load_slides(read_shards(shards_in(study.shards)), cohort.rows, study.teacher_bags)
