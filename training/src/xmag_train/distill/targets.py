"""The teacher's embeddings of every region and view, computed once and kept as float16.

One file a view, `view-00.npy` [regions, 16, dim], so that a run with more views adds to what is there. A cache is
named by all that decides its values; it is filled a region at a time and goes on where it was broken off.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xmag_train.data.shards import Region, regions_sha256
from xmag_train.distill.views import AugmentConfig, draw_view, teacher_tiles
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
    """For each view a read-only memory map float16 [regions, 16, dim]; what is missing is computed.

    ``device``: where ``teacher`` lies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(regions), TILES, dim)
    for index in range(views):
        done = _done(folder, index)
        if done == len(regions):
            continue
        path = folder / f"view-{index:02d}.npy"
        mode = "r+" if done else "w+"
        values = np.lib.format.open_memmap(path, mode=mode, dtype=np.float16, shape=shape)
        for at in track(range(done, len(regions)), f"teacher, view {index + 1} of {views}"):
            region = regions[at]
            tiles = teacher_tiles(region.pixels(), draw_view(region.key, index, config))
            values[at] = teacher(tiles.to(device)).float().cpu().numpy().astype(np.float16)
            if at % FLUSH_REGIONS == FLUSH_REGIONS - 1 or at == len(regions) - 1:
                values.flush()
                _mark(folder, index, at + 1)
        del values
    return [np.load(folder / f"view-{index:02d}.npy", mmap_mode="r") for index in range(views)]


def _done(folder: Path, view: int) -> int:
    """Number of regions of the view that are safely on disk."""
    path = folder / f"view-{view:02d}.json"
    return int(json.loads(path.read_text())["regions"]) if path.exists() else 0


def _mark(folder: Path, view: int, regions: int) -> None:
    path = folder / f"view-{view:02d}.json"
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps({"regions": regions}))
    draft.replace(path)
