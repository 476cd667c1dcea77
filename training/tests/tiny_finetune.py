"""A tiny cohort and student for end-to-end training; run as a script, one training that may be killed."""

import io
import sys
from pathlib import Path

import numpy as np
import torch
from cohort_maker import LABELS, make_cohort
from PIL import Image
from torch import Tensor, nn

from xmag_train.data.shards import Region, RegionMeta, write_shards
from xmag_train.finetune import command
from xmag_train.finetune.config import FinetuneConfig, HeadStartConfig, TuneConfig
from xmag_train.mil.bags import Bag, write_bag

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


def make_study(root: Path) -> None:
    """Shards, teacher's bags, tables and the file of the student's origin, all in ``root``."""
    rows = make_cohort(root)
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
        write_bag(root / "teacher" / f"{slide}.h5", Bag(features, np.array([[1792, 0], [0, 0]])))
    write_shards(regions, root / "shards", "r")
    (root / "origin.pt").write_bytes(b"origin")


def config_of(root: Path, out: str, epochs_max: int = 2) -> FinetuneConfig:
    return FinetuneConfig(
        task="grade",
        labels=LABELS,
        labels_csv=root / "labels.csv",
        folds_csv=root / "folds.csv",
        shards=root / "shards",
        student="unused",
        teacher_bags=root / "teacher",
        head_fit=HeadStartConfig(hidden=8, epochs=2),
        tune=TuneConfig(epochs_max=epochs_max, inner_folds=2, student_learning_rate=1e-3),
        out=root / out,
    )


def tiny_origin(root: Path) -> tuple[str, nn.Module, Path]:
    """In place of a distilled student's checkpoint."""
    return "tiny", tiny_student(), root / "origin.pt"


if __name__ == "__main__":
    where = Path(sys.argv[1])
    command.student_of = lambda _pattern, _fold: tiny_origin(where)
    command.train_end_to_end(config_of(where, sys.argv[2], epochs_max=int(sys.argv[3])))
