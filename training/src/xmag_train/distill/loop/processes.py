"""The processes that share a run: how many there are, and the rows of all of them in each."""

import os

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed

from xmag_train.distill.config import DistillConfig


def make_fabric(config: DistillConfig) -> Fabric:
    """One process a device, not launched yet. Started by `torchrun`, there are the machines and processes it says.

    ValueError where the config names another number of machines than `torchrun` does.
    """
    nodes, devices = config.num_nodes, config.devices
    if distributed.is_torchelastic_launched():
        started, devices = int(os.environ["GROUP_WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
        if nodes not in {None, started}:
            raise ValueError(f"num_nodes is {nodes}, but torchrun runs on {started} machines: leave num_nodes out")
        nodes = started
    return Fabric(accelerator=config.accelerator, devices=devices, num_nodes=nodes or 1, precision=config.precision)


def launch(config: DistillConfig) -> Fabric:
    """The run's processes, started. ValueError unless every one gets as many regions of a batch."""
    fabric = make_fabric(config)
    batch_regions, processes = config.optim.batch_regions, fabric.world_size
    if batch_regions % processes:
        raise ValueError(f"batch_regions {batch_regions} cannot be shared by {processes} processes: take a multiple")
    fabric.launch()
    return fabric


def is_first_process() -> bool:
    """Whether this process is the one that writes what there is one of."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def gather_rows(rows: Tensor) -> Tensor:
    """[n, …] of each process → [processes · n, …] of all, by rank; n is the same in each.

    For a loss of all rows, which every process then computes alike. Its gradient reaches only this process's rows,
    times the number of processes. DDP divides the sum by that number, so the parameters get the gradients of one
    process.
    """
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    if processes == 1:
        return rows
    own = rows.detach().contiguous()
    everyone = [torch.empty_like(own) for _ in range(processes)]
    distributed.all_gather(everyone, own)
    everyone[distributed.get_rank()] = own + processes * (rows - own)
    return torch.cat(everyone)
