"""The teacher's embeddings of every region and view, computed once and kept as float16.

One file a view, `view-00.npy` [regions, 16, dim], so that a run with more views adds to what is there. A cache is
named by all that decides its values. One process fills it a region at a time, and resumes after an interruption.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import nn

from xmag_train.data.shards import Region, regions_sha256
from xmag_train.distill.views.view import AugmentConfig, draw_view, teacher_tiles
from xmag_train.files import alone, write_json
from xmag_train.progress import track

TILES = 16
FLUSH_REGIONS = 16


def cache_folder(
    root: Path, regions: Sequence[Region], teacher: str, weights_sha256: str, config: AugmentConfig
) -> Path:
    """Where the targets of these regions, this teacher and this augmentation lie."""
    parts = [regions_sha256(regions), teacher, weights_sha256, config.model_dump_json(), *(r.key for r in regions)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return root / f"targets-{teacher}-{digest}"


def module_sha256(module: nn.Module) -> str:
    """Digest of a network's weights."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def cached_targets(
    folder: Path,
    regions: Sequence[Region],
    teacher: nn.Module,
    *,
    dim: int,
    views: int,
    config: AugmentConfig,
    device: torch.device,
) -> list[NDArray[np.float16]]:
    """For each view a read-only memory map float16 [regions, 16, dim]; what is missing is computed, and said so.

    ``device``: where ``teacher`` lies. Of runs that start together one computes, and the others wait.
    """
    shape = (len(regions), TILES, dim)
    for view in range(views):
        if _done(folder, view) == len(regions):
            continue
        with alone(folder / "lock"):
            done = _done(folder, view)
            typer.echo(f"{folder}: {done} of {len(regions)} regions of view {view} are there", err=True)
            mode = "r+" if done else "w+"
            values = np.lib.format.open_memmap(_file(folder, view), mode=mode, dtype=np.float16, shape=shape)
            for at in track(range(done, len(regions)), f"teacher, view {view + 1} of {views}"):
                region = regions[at]
                tiles = teacher_tiles(region.pixels(), draw_view(region.key, view, config))
                values[at] = teacher(tiles.to(device)).float().cpu().numpy().astype(np.float16)
                if at % FLUSH_REGIONS == FLUSH_REGIONS - 1 or at == len(regions) - 1:
                    values.flush()
                    write_json(_marker(folder, view), {"regions": at + 1})
            del values
    return [np.load(_file(folder, view), mmap_mode="r") for view in range(views)]


def _done(folder: Path, view: int) -> int:
    """Number of regions of the view that are safely on disk."""
    path = _marker(folder, view)
    return int(json.loads(path.read_text())["regions"]) if path.exists() else 0


def _file(folder: Path, view: int) -> Path:
    return folder / f"view-{view:02d}.npy"


def _marker(folder: Path, view: int) -> Path:
    return folder / f"view-{view:02d}.json"
