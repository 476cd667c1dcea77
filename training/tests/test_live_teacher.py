"""A teacher that runs beside the student asks for just what its cached embeddings would."""

from functools import partial
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from test_shards import region

from xmag_train.data.shards import write_shards
from xmag_train.distill.config import DistillConfig
from xmag_train.distill.loop import data
from xmag_train.distill.loop.batches import Batch, BatchMaker
from xmag_train.distill.loop.data import TrainingData
from xmag_train.distill.loop.sampler import Draw
from xmag_train.distill.loop.train import batch_targets
from xmag_train.distill.views.view import AugmentConfig, Symmetry, draw_view
from xmag_train.networks.teachers.registry import build_teacher

# The view's own symmetry comes first: after a mirroring, a turn leads elsewhere than before it.
DRAWS = [
    Draw(0, view, 0, symmetry)
    for view, symmetry in (
        (0, Symmetry()),
        (0, Symmetry(turns=1)),
        (1, Symmetry(mirrored=True)),
        (1, Symmetry(turns=3)),
    )
]


def made(root: Path, mode: str) -> tuple[TrainingData, Batch]:
    """What a run in this mode learns from, and a batch of it."""
    config = DistillConfig.model_validate(
        {
            "regions": root / "regions",
            "out": root / "out",
            "cache": root / f"cache-{mode}",
            "teacher": {"name": "dinov2_vitb14", "weights": "random", "mode": mode, "views": 2},
            "accelerator": "cpu",
            "precision": "32-true",
        }
    )
    torch.manual_seed(0)  # of the teacher's weights
    learnt = data.prepare(config, data.read_sources(config), Fabric(accelerator="cpu", devices=1))
    return learnt, BatchMaker(learnt, config).make(DRAWS)


def test_live_and_cached_give_the_same_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "build_teacher", partial(build_teacher, depth=1, init_values=1.0))
    shown = region(2)
    assert draw_view(shown.key, 1, AugmentConfig()).symmetry == Symmetry(mirrored=True, turns=1)
    write_shards([shown], tmp_path / "regions", "r")
    (kept, cached), (beside, live) = made(tmp_path, "cached"), made(tmp_path, "live")
    assert kept.teacher is None and live.targets is None and torch.equal(live.tiles, cached.tiles)
    wanted = batch_targets(cached, kept.teacher, kept.normaliser, torch.device("cpu"))
    found = batch_targets(live, beside.teacher, beside.normaliser, torch.device("cpu"))
    assert found.shape == (len(DRAWS), 16, 768)
    apart = (wanted[0] - wanted[1]).abs().max()
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.01 * float(apart))  # the cache's float16
