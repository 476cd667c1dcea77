"""A run that goes on finds all of its state where the work is done, and the scale of its loss as it was."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies import SingleDeviceStrategy
from test_distill_run import TEACHER_DIM, TinyStudent, tiny_batch

from xmag_train.distill.config import DistillConfig, LossConfig, StudentConfig
from xmag_train.distill.loop import learner
from xmag_train.distill.loop.checkpoint import Done, Run, save_checkpoint
from xmag_train.distill.loop.learner import Learner
from xmag_train.distill.loop.objective import objective
from xmag_train.distill.loop.train import learn

RUN = Run("a run", {})


class Elsewhere(CPUAccelerator):
    """Stands for a GPU: tensors lie on torch's `meta`, where they have a place and no content."""

    def setup_device(self, device: torch.device) -> None:
        assert device.type == "meta"


@pytest.fixture
def parameters_move_in_place() -> Iterator[None]:
    """To `meta` too, as they do to a GPU: an optimiser goes on with the same ones."""
    torch.__future__.set_swap_module_params_on_conversion(True)
    yield
    torch.__future__.set_swap_module_params_on_conversion(False)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DistillConfig:
    monkeypatch.setattr(learner, "build_student", lambda *_: TinyStudent())
    paths = {"regions": tmp_path, "out": tmp_path / "run", "cache": tmp_path}
    return DistillConfig.model_validate({**paths, "student": StudentConfig(projector_hidden=16)})


def begin(config: DistillConfig, fabric: Fabric) -> Learner:
    return learner.start(config, fabric, TEACHER_DIM, 4, RUN)


def save(config: DistillConfig, begun: Learner) -> None:
    save_checkpoint(config.out, Done(1, 1.0), begun.kept, RUN)


@pytest.mark.usefixtures("parameters_move_in_place")
@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
def test_the_optimisers_state_is_put_where_its_parameters_lie(config: DistillConfig) -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    begun = begin(config, fabric)
    tiles, targets = tiny_batch(4)
    fabric.backward(objective(begun.model(tiles), targets, LossConfig())["loss"])
    begun.optimizer.step()
    save(config, begun)
    elsewhere = SingleDeviceStrategy(device=torch.device("meta"), accelerator=Elsewhere())
    resumed = begin(config, Fabric(strategy=elsewhere))
    state = resumed.optimizer.optimizer.state
    assert resumed.done.steps == 1 and len(state) == len(list(resumed.model.parameters()))
    assert {values["exp_avg"].device.type for values in state.values()} == {"meta"}
    assert {value.device.type for value in resumed.average.module.state_dict().values()} == {"meta"}


def half() -> tuple[Fabric, torch.amp.GradScaler]:
    precision = MixedPrecision("16-mixed", device="cpu")
    return Fabric(accelerator="cpu", devices=1, plugins=[precision]), precision.scaler


def test_the_scale_of_a_loss_in_fp16_is_kept(config: DistillConfig) -> None:
    fabric, scaler = half()
    scaler.load_state_dict({**scaler.state_dict(), "scale": 128.0, "_growth_tracker": 7})
    save(config, begin(config, fabric))
    fabric, scaler = half()
    begin(config, fabric)
    kept = scaler.state_dict()
    assert (kept["scale"], kept["_growth_tracker"]) == (128.0, 7)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")
def test_a_step_that_overflows_in_fp16_is_left_out(config: DistillConfig) -> None:
    fabric, scaler = half()
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**60})
    config = config.model_copy(update={"precision": "16-mixed"})
    begun = begin(config, fabric)
    before = [parameter.clone() for parameter in begun.model.parameters()]
    _, norm = learn(fabric, begun, *tiny_batch(4), config)
    assert not norm.isfinite() and scaler.get_scale() == 2.0**59
    assert all(torch.equal(was, now) for was, now in zip(before, begun.model.parameters(), strict=True))


def test_the_rate_rises_by_hand_and_falls_by_half_a_cosine(config: DistillConfig) -> None:
    optim = config.optim.model_copy(update={"epochs": 3, "learning_rate": 2.0, "warmup_epochs": 0.5})
    fabric = Fabric(accelerator="cpu", devices=1)
    begun = begin(config.model_copy(update={"optim": optim}), fabric)
    rates = []
    for _ in range(12):
        rates.append({group["lr"] for group in begun.optimizer.param_groups})
        begun.optimizer.step()
        begun.schedule.step()
    assert all(len(rate) == 1 for rate in rates)
    wanted = [1.0, 2.0, 2.0, *(0.02 + 0.99 * (1 + math.cos(math.pi * step / 10)) for step in range(1, 10))]
    assert [rate.pop() for rate in rates] == pytest.approx(wanted)


def test_the_average_follows_weights_and_statistics_faster_at_the_start(config: DistillConfig) -> None:
    optim = config.optim.model_copy(update={"ema_decay": 0.2})
    begun = begin(config.model_copy(update={"optim": optim}), Fabric(accelerator="cpu", devices=1))
    model, average = begun.model.module, begun.average
    for steps, wanted in ((1, 1.0), (2, 1.8182), (3, 2.7636)):  # a copy; decays min(0.2, 2/11), min(0.2, 3/12)
        with torch.no_grad():
            model.student.norm.running_mean.fill_(steps)
            model.student.stem.weight.fill_(steps)
            model.student.norm.num_batches_tracked.fill_(steps)
        average.update_parameters(model)
        student = average.module.student
        for values in (student.norm.running_mean, student.stem.weight):
            torch.testing.assert_close(values, torch.full_like(values, wanted), atol=1e-4, rtol=0)
        assert student.norm.num_batches_tracked.item() == steps
