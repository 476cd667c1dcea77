"""Distillation on tiny pictures: it learns, it goes on after being killed, and two processes are as one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")
pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed: see training/README.md")

from pydantic import ValidationError
from torch import nn

from xmag_train.distill.config import DistillConfig, LossConfig
from xmag_train.distill.loop.distiller import Distiller
from xmag_train.distill.loop.metrics_file import MetricsFile
from xmag_train.distill.loop.objective import objective
from xmag_train.distill.loop.processes import launch, make_fabric
from xmag_train.distill.loop.sampler import BatchSampler
from xmag_train.distill.targets.normalise import fit_normaliser

DIM, TEACHER_DIM = 12, 8
ALL_LOSSES = LossConfig(relational_weight=0.7, consistency_weight=0.3)
RUN = Path(__file__).with_name("tiny_distill.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


class TinyStudent(nn.Module):
    """uint8 [N, 224, 224, 3] → ([N, 12], [N, 4, 4, 12]): one strided convolution."""

    embedding_dim = DIM

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, DIM, 56, 56)
        self.norm = nn.BatchNorm2d(DIM)

    def forward(self, tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cells = torch.relu(self.norm(self.stem(tiles.permute(0, 3, 1, 2).float() / 255.0)))
        return cells.mean(dim=(2, 3)), cells.permute(0, 2, 3, 1)


def tiny_batch(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tiles = torch.randint(0, 256, (count, 4, 4, 3), generator=generator, dtype=torch.uint8)
    tiles = tiles.repeat_interleave(56, 1).repeat_interleave(56, 2)
    return tiles, torch.randn(count, 16, TEACHER_DIM, generator=generator)


def tiny_distiller() -> Distiller:
    torch.manual_seed(0)
    return Distiller(TinyStudent(), DIM, TEACHER_DIM, hidden=64)


def test_overfitting_a_handful_drives_both_losses_down() -> None:
    tiles, targets = tiny_batch(6)
    model = tiny_distiller().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = last = {}
    for _ in range(300):
        last = objective(model(tiles), targets, LossConfig())
        first = first or last
        optimizer.zero_grad()
        last["loss"].backward()
        optimizer.step()
    assert last["global"].item() < 0.1 * first["global"].item()
    assert last["local"].item() < 0.2 * first["local"].item()


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.fixture(scope="module")
def torchrun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gradients of two processes on two machines, both of them this one, as `torchrun` starts them."""
    folder = tmp_path_factory.mktemp("torchrun")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    launch += ["--master-addr=127.0.0.1", f"--master-port={port}"]
    program = [str(RUN), "gradients", str(folder)]
    nodes = [subprocess.Popen([*launch, f"--node-rank={rank}", *program], env=ENVIRONMENT) for rank in (0, 1)]
    try:
        assert [node.wait(timeout=120) for node in nodes] == [0, 0]
    finally:
        for node in nodes:
            node.kill()
    return folder


@pytest.mark.parametrize("losses", ["default", "all"])
def test_two_processes_give_the_gradients_of_one(losses: str, torchrun: Path) -> None:
    """Norms by their running statistics: a batch's own differ between processes, except as SyncBatchNorm on GPUs."""
    shared = torch.load(torchrun / f"{losses}.pt", weights_only=True)
    tiles, targets = tiny_batch(8)
    model = tiny_distiller().eval()
    config = {"default": LossConfig(), "all": ALL_LOSSES}[losses]
    objective(model(tiles), targets, config, per_region=2)["loss"].backward()
    whole = gradients(model)
    assert shared.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(shared[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_machines_are_the_configs_or_those_that_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def config(**more: object) -> DistillConfig:
        paths = {"regions": "r", "out": "o", "cache": "c"}
        return DistillConfig.model_validate({**paths, "accelerator": "cpu", "precision": "32-true", **more})

    alone = make_fabric(config())
    assert (alone.world_size, alone.strategy.__class__.__name__) == (1, "SingleDeviceStrategy")
    named = make_fabric(config(devices=2, num_nodes=3)).strategy
    assert (named.num_nodes, named.num_processes) == (3, 2)
    started = {"TORCHELASTIC_RUN_ID": "a", "GROUP_WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
    for name, value in {**started, "RANK": "5", "LOCAL_RANK": "1", "GROUP_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric(config())
    assert (fabric.strategy.num_nodes, fabric.strategy.num_processes) == (2, 4)
    assert (fabric.world_size, fabric.global_rank, fabric.local_rank) == (8, 5, 1)
    with pytest.raises(ValueError, match="leave num_nodes out"):
        make_fabric(config(num_nodes=3))


def test_a_batch_must_be_shared_evenly() -> None:
    paths = {"regions": "r", "out": "o", "cache": "c"}
    config = DistillConfig.model_validate({**paths, "accelerator": "cpu", "devices": 5, "precision": "32-true"})
    with pytest.raises(ValueError, match="batch_regions 16 cannot be shared by 5"):
        launch(config)


def test_killed_and_resumed_gives_the_same_curve_and_student(tmp_path: Path) -> None:
    def command(out: str) -> list[str]:
        return [sys.executable, "-W", "ignore", str(RUN), "train", str(tmp_path / "shared"), str(tmp_path / out)]

    subprocess.run(command("whole"), check=True, timeout=120, env=ENVIRONMENT)
    broken = subprocess.Popen([*command("broken"), "slowly"], env=ENVIRONMENT)
    checkpoint = tmp_path / "broken" / "checkpoint.pt"
    deadline = time.monotonic() + 100
    while not checkpoint.exists() and time.monotonic() < deadline:
        assert broken.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    assert not (tmp_path / "broken" / "student.pt").exists()
    stopped_at = torch.load(checkpoint, weights_only=True)
    told = subprocess.run(command("broken"), check=True, timeout=120, env=ENVIRONMENT, capture_output=True, text=True)
    assert f"goes on from step {stopped_at['step']} of 8" in told.stderr
    whole, resumed = (
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("whole", "broken")
    )
    spent = [[line.pop("wall_s") for line in lines] for lines in (whole, resumed)]
    assert [line["step"] for line in whole] == list(range(1, 9))
    assert resumed == whole
    # Time before the kill is not forgotten.
    assert all(times == sorted(times) for times in spent)
    assert spent[1][-1] >= stopped_at["wall_s"] > 0
    first, second = (
        torch.load(tmp_path / run / "student.pt", weights_only=True)["state_dict"] for run in ("whole", "broken")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_epoch_shows_each_region_once_and_processes_share_it() -> None:
    sampler = BatchSampler(8, batch_regions=4, views=3, views_per_region=2, readings=4, extra_symmetry=True, seed=0)
    whole = [draw for step in range(2) for draw in sampler.batch(step)]
    assert sorted(draw.region for draw in whole) == sorted(list(range(8)) * 2)
    halves = sampler.batch(1, 0, 2) + sampler.batch(1, 1, 2)
    assert sorted(halves) == sorted(sampler.batch(1))
    assert sampler.batch(2) != sampler.batch(0)


def test_paired_draws_differ_in_the_reading_alone() -> None:
    sampler = BatchSampler(
        40,
        batch_regions=40,
        views=3,
        views_per_region=2,
        readings=4,
        extra_symmetry=True,
        seed=0,
        paired_readings=True,
    )
    draws = sampler.batch(0)
    first, second = draws[0::2], draws[1::2]
    assert {draw.reading for draw in first} == {0}
    assert {draw.reading for draw in second} == {1, 2, 3}
    assert [draw._replace(reading=0) for draw in second] == first
    assert len({(draw.view, draw.symmetry) for draw in first}) > 10


def test_consistency_asks_for_pairs() -> None:
    paths = {"regions": "r", "out": "o", "cache": "c"}
    with pytest.raises(ValidationError, match="needs paired_readings"):
        DistillConfig.model_validate({**paths, "loss": {"consistency_weight": 1.0}})
    with pytest.raises(ValidationError, match="views_per_region 2"):
        DistillConfig.model_validate({**paths, "paired_readings": True, "optim": {"views_per_region": 1}})


def test_the_mean_comes_from_training_rows_only() -> None:
    targets = np.zeros((3, 16, 2), dtype=np.float16)
    targets[0], targets[1], targets[2] = 1.0, 3.0, 1000.0
    normaliser = fit_normaliser(targets, [0, 1], "centre")
    assert normaliser(torch.tensor([2.0, 4.0])).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("how", ["standardise", "half_whiten"])
def test_loud_channels_are_made_quieter(how: Literal["standardise", "half_whiten"]) -> None:
    spreads = torch.tensor([16.0, 4.0, 1.0])
    means = torch.randn(4000, 1, 3, generator=torch.Generator().manual_seed(0)) * spreads + 5
    normaliser = fit_normaliser(means.expand(-1, 16, -1).numpy(), range(4000), how)
    loudest_first = normaliser(means[:, 0]).std(dim=0)
    expected = {"standardise": [1.0, 1.0, 1.0], "half_whiten": [16.0, 8.0, 4.0]}[how]  # 16 · √(spread / 16)
    torch.testing.assert_close(loudest_first, torch.tensor(expected), rtol=0.05, atol=0)
    torch.testing.assert_close(normaliser(means[:, 0]).mean(dim=0), torch.zeros(3), rtol=0, atol=1e-3)


def test_lines_of_lost_work_are_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    MetricsFile(path, 2).add(3, loss=0.5)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]
