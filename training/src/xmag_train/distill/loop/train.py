"""The distillation loop, top to bottom. The same code on a CPU, on one GPU, and on many under `torchrun`."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from xmag_train.distill.config import DistillConfig
from xmag_train.distill.loop.batches import Batch, BatchMaker
from xmag_train.distill.loop.checkpoint import Done, Run, is_finished, save_checkpoint
from xmag_train.distill.loop.data import Sources, prepare, read_sources
from xmag_train.distill.loop.learner import Learner, start
from xmag_train.distill.loop.metrics_file import MetricsFile
from xmag_train.distill.loop.objective import objective
from xmag_train.distill.loop.processes import launch
from xmag_train.distill.loop.sampler import BatchSampler
from xmag_train.distill.targets.normalise import Normaliser
from xmag_train.distill.views.collage import collage
from xmag_train.machine import keep_freed_memory
from xmag_train.networks.students.checkpoint import save_student
from xmag_train.networks.weights import weights_identity
from xmag_train.progress import Clock, say, track

STUDENT_FILE = "student.pt"
METRICS_FILE = "metrics.jsonl"
PREFETCHED = 2


def train(config: DistillConfig) -> bool:
    """Run (or go on with) the distillation, which leaves the averaged student in `student.pt`.

    False where it lies there already. ValueError where the folder is of another run.
    """
    fabric = launch(config)
    torch.set_num_threads(config.threads)
    if fabric.device.type == "cpu":
        keep_freed_memory()
    fabric.seed_everything(config.seed)
    sources = read_sources(config)
    run = run_of(config, sources, fabric.world_size)
    if is_finished(config.out / STUDENT_FILE, run):
        return False
    data = prepare(config, sources, fabric)
    del sources  # with the teacher, which may take much of a GPU, where it does not run live
    optim = config.optim
    sampler = _sampler(config, len(data.regions))
    learner = start(config, fabric, data.teacher_dim, sampler.steps_per_epoch, run)
    done = learner.done
    metrics = MetricsFile(config.out / METRICS_FILE, done.steps) if fabric.is_global_zero else None

    steps = optim.epochs * sampler.steps_per_epoch
    if metrics is not None and done.steps > 0:
        say(f"goes on from step {done.steps} of {steps}")
    maker = BatchMaker(data, config)
    clock = Clock(done.wall_s)

    def make(step: int) -> Batch:
        return maker.make(sampler.batch(step, fabric.global_rank, fabric.world_size))

    with ThreadPoolExecutor(PREFETCHED) as pool:
        batches = _ahead(make, range(done.steps, steps), pool)
        for step, batch in zip(track(range(done.steps, steps), "distilling"), batches, strict=True):
            rate = float(learner.schedule.get_last_lr()[0])
            targets = batch_targets(batch, data.teacher, data.normaliser, fabric.device)
            collaged = collage(
                batch.tiles.to(fabric.device),
                targets,
                probability=config.collage_probability,
                per_region=optim.views_per_region if config.paired_readings else 1,
                rng=np.random.default_rng([config.seed, 2, step, fabric.global_rank]),
            )
            parts, norm = learn(fabric, learner, *collaged, config)
            if metrics is not None and ((step + 1) % config.log_steps == 0 or step + 1 == steps):
                values = {name: round(float(value.detach()), 6) for name, value in parts.items()}
                metrics.add(
                    step + 1,
                    wall_s=clock.seconds(),
                    learning_rate=rate,
                    gradient_norm=round(norm.item(), 6) if norm.isfinite() else None,
                    **values,
                )
            if fabric.is_global_zero and ((step + 1) % config.checkpoint_steps == 0 or step + 1 == steps):
                save_checkpoint(config.out, Done(step + 1, clock.seconds()), learner.kept, run)
    student = learner.average.module.get_submodule("student")
    if fabric.is_global_zero:
        plain = config.model_dump(mode="json")
        save_student(
            config.out / STUDENT_FILE,
            config.student.name,
            student.state_dict(),
            plain,
            data.regions_sha256,
            identity=run.identity,
        )
    fabric.barrier()
    return True


def learn(
    fabric: Fabric, learner: Learner, tiles: Tensor, targets: Tensor, config: DistillConfig
) -> tuple[dict[str, Tensor], Tensor]:
    """One step; the parts of the loss, and the gradient's norm before it was clipped.

    In fp16 a gradient that overflows is no error: the step is left out, and the scale of the loss halved.
    """
    learner.model.train()
    parts = objective(learner.model(tiles), targets, config.loss, config.optim.views_per_region)
    learner.optimizer.zero_grad()
    fabric.backward(parts["loss"])
    norm = fabric.clip_gradients(
        learner.model,
        learner.optimizer,
        max_norm=config.optim.clip_norm,
        error_if_nonfinite=config.precision != "16-mixed",
    )
    learner.optimizer.step()
    learner.schedule.step()
    learner.average.update_parameters(learner.model.module)
    return parts, cast("Tensor", norm)


def run_of(config: DistillConfig, sources: Sources, processes: int) -> Run:
    """All that decides what is learned: what goes on from a checkpoint must be the same run.

    ``processes`` count where there are several: each has its own collages, and on a CPU its own batch norms.
    """
    several = f" {processes} processes" if processes > 1 else ""
    student = weights_identity(config.student.weights)
    learning = config.learning_json()
    parts = (learning, student, sources.teacher_sha256, sources.regions_sha256 + several)
    return Run(hashlib.sha256("\n".join(parts).encode()).hexdigest(), json.loads(learning))


def batch_targets(batch: Batch, teacher: nn.Module | None, normaliser: Normaliser, device: torch.device) -> Tensor:
    """float32 [N, 16, D], from the cache or from the live teacher."""
    if batch.targets is not None:
        return normaliser(batch.targets.to(device))
    if teacher is None or batch.teacher_tiles is None:
        raise ValueError("a batch without targets needs a live teacher and its tiles")
    with torch.no_grad():
        embeddings = teacher(batch.teacher_tiles.flatten(0, 1).to(device))
    return normaliser(embeddings.reshape(len(batch.tiles), -1, embeddings.shape[-1]))


def _ahead(make: Callable[[int], Batch], steps: range, pool: Executor) -> Iterator[Batch]:
    """The batches of ``steps``, the next ones made while one is learned from."""
    waiting: deque[Future[Batch]] = deque()
    for step in steps:
        waiting.append(pool.submit(make, step))
        if len(waiting) == PREFETCHED:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _sampler(config: DistillConfig, regions: int) -> BatchSampler:
    return BatchSampler(
        regions,
        batch_regions=config.optim.batch_regions,
        views=config.teacher.views,
        views_per_region=config.optim.views_per_region,
        readings=len(config.readings),
        extra_symmetry=config.extra_symmetry,
        seed=config.seed,
        paired_readings=config.paired_readings,
        disturb_probability=config.disturb_probability,
    )
