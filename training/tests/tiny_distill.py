"""What test_distill_run.py starts as processes of their own: a tiny distillation, and one of two that share a batch."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from test_distill_run import ALL_LOSSES, TEACHER_DIM, TinyStudent, gradients, tiny_batch, tiny_distiller
from test_shards import region
from torch import nn

from xmag_train.data.shards import write_shards
from xmag_train.distill.config import DistillConfig, LossConfig, OptimConfig, StudentConfig
from xmag_train.distill.loop import data, learner, train
from xmag_train.distill.loop.batches import BatchMaker
from xmag_train.distill.loop.objective import objective
from xmag_train.distill.loop.processes import make_fabric

REGIONS = 8


class TinyTeacher(nn.Module):
    """uint8 [N, 224, 224, 3] → [N, 8]: what a fixed matrix makes of the mean colours of the tile's quarters."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SimpleNamespace(dim=TEACHER_DIM)
        self.register_buffer("mix", torch.randn(12, TEACHER_DIM, generator=torch.Generator().manual_seed(0)))

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        quarters = tiles.float().reshape(len(tiles), 2, 112, 2, 112, 3).mean(dim=(2, 4)).flatten(1)
        return quarters / 255.0 @ self.mix


def tiny_config(shared: Path, out: Path) -> DistillConfig:
    """Eight steps on eight regions, which are written if missing."""
    if not (shared / "regions").exists():
        write_shards([region(number) for number in range(REGIONS)], shared / "regions", "tiny")
    return DistillConfig(
        regions=shared / "regions",
        out=out,
        cache=shared / "cache",
        teacher={"views": 1},
        student=StudentConfig(projector_hidden=16),
        loss=LossConfig(relational_weight=0.5),
        optim=OptimConfig(epochs=4, batch_regions=4, views_per_region=1),
        accelerator="cpu",
        precision="32-true",
        threads=1,
        checkpoint_steps=3,
        log_steps=1,
    )


def run(shared: Path, out: Path, slowly: bool) -> None:
    """The run of ``tiny_config``; with ``slowly`` its steps take long enough to be killed in."""
    data.build_teacher = lambda *_: TinyTeacher()
    learner.build_student = lambda *_: TinyStudent()
    if slowly:
        made = BatchMaker.make

        def make_slowly(self: BatchMaker, draws: list) -> object:
            time.sleep(0.5)
            return made(self, draws)

        BatchMaker.make = make_slowly
    train.train(tiny_config(shared, out))


def share_gradients(folder: Path) -> None:
    """The gradients that two processes agree on, each with every second region of the batch, two rows each."""
    fabric = make_fabric(
        DistillConfig(regions=folder, out=folder, cache=folder, accelerator="cpu", precision="32-true")
    )
    fabric.launch()
    assert fabric.world_size == 2
    tiles, targets = tiny_batch(8)
    mine = [row for region in range(fabric.global_rank, 4, 2) for row in (2 * region, 2 * region + 1)]
    for name, loss in (("default", LossConfig()), ("all", ALL_LOSSES)):
        model = fabric.setup(tiny_distiller().eval())
        fabric.backward(objective(model(tiles[mine]), targets[mine], loss, per_region=2)["loss"])
        if fabric.is_global_zero:
            torch.save(gradients(model.module), folder / f"{name}.pt")
    fabric.barrier()


if __name__ == "__main__":
    if sys.argv[1] == "gradients":
        share_gradients(Path(sys.argv[2]))
    else:
        run(Path(sys.argv[2]), Path(sys.argv[3]), slowly=len(sys.argv) > 4)
