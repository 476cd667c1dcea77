"""The student's 5x tiles of every region in every reading, read once and kept: about 0.6 MB a region."""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmag_train.data.shards import Region, regions_sha256
from xmag_train.distill.views.readings import PYRAMID_MPP, READINGS, read_at_5x
from xmag_train.files import alone
from xmag_train.geometry import TILE_PX
from xmag_train.progress import track


def region_tiles(region: Region) -> NDArray[np.uint8]:
    """uint8 [readings, 224, 224, 3]. The pyramid level's resolution is drawn from the region's key."""
    image = Image.fromarray(region.pixels())
    mpp = np.random.default_rng(zlib.crc32(region.key.encode())).uniform(*PYRAMID_MPP)
    return np.stack([read_at_5x(image, reading, float(mpp)) for reading in READINGS])


def cached_tiles(root: Path, regions: Sequence[Region]) -> NDArray[np.uint8]:
    """Read-only memory map uint8 [regions, readings, 224, 224, 3]; written by temp file and rename if missing.

    Of runs that start together one writes, and the others wait.
    """
    names = "\n".join([regions_sha256(regions), *READINGS, *(region.key for region in regions)])
    path = root / f"tiles-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        with alone(path.with_suffix(".lock")):
            if not path.exists():
                _write(path, regions)
    return np.load(path, mmap_mode="r")


def _write(path: Path, regions: Sequence[Region]) -> None:
    draft = path.with_suffix(".part")
    shape = (len(regions), len(READINGS), TILE_PX, TILE_PX, 3)
    values = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
    for at, region in enumerate(track(regions, "5x tiles")):
        values[at] = region_tiles(region)
    values.flush()
    del values
    draft.replace(path)
