"""Regions in tar shards, webdataset style: `<key>.jpg` and `<key>.json` side by side.

A region is 896×896 px RGB at 0.5 µm/px. It is a 4×4 grid of 224 px teacher tiles, or one 224 px student tile at 2.0
µm/px. The same regions give the same bytes: tar headers carry no time and no owner.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from xmag_train.geometry import REGION_PX

REGIONS_PER_SHARD = 256


class SlideFacts(BaseModel):
    """What every region tells of its slide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slide: str
    case: str
    site: str
    organ: str
    label: str
    stain: str
    scanner: str


class RegionMeta(SlideFacts):
    """Where a region comes from. ``x0``, ``y0``, ``side0``: level-0 px; ``mpp``: of the slide's level 0, µm/px."""

    mpp: float = Field(gt=0.0)
    x0: int
    y0: int
    side0: int = Field(gt=0)
    tissue_fraction: float = Field(ge=0.0, le=1.0)


@dataclass(frozen=True)
class Region:
    """``jpeg``: 896×896 RGB at 0.5 µm/px."""

    jpeg: bytes
    meta: RegionMeta

    @property
    def key(self) -> str:
        """Its name, the same in every import: `<slide>_<x0>_<y0>`, without dots (they end a webdataset key)."""
        return f"{self.meta.slide}_{self.meta.x0}_{self.meta.y0}".replace(".", "-").replace("/", "-")

    def pixels(self) -> NDArray[np.uint8]:
        """uint8 [896, 896, 3] RGB. ValueError if the JPEG has another size."""
        with Image.open(io.BytesIO(self.jpeg)) as image:
            pixels = np.asarray(image.convert("RGB"))
        if pixels.shape != (REGION_PX, REGION_PX, 3):
            raise ValueError(f"region {self.key} is {pixels.shape[1]}×{pixels.shape[0]} px, not {REGION_PX}")
        return pixels


def write_shards(regions: Iterable[Region], folder: Path, name: str, per_shard: int = REGIONS_PER_SHARD) -> list[Path]:
    """Write `<name>-%06d.tar` into ``folder``, each by temp file and rename; the paths, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    waiting: list[Region] = []
    for region in regions:
        waiting.append(region)
        if len(waiting) == per_shard:
            written.append(_write_shard(waiting, folder / f"{name}-{len(written):06d}.tar"))
            waiting = []
    if waiting:
        written.append(_write_shard(waiting, folder / f"{name}-{len(written):06d}.tar"))
    return written


def read_shards(paths: Sequence[Path]) -> Iterator[Region]:
    """Every region of the shards in order. ValueError where a picture lacks its JSON or the reverse."""
    for path in paths:
        with tarfile.open(path) as tar:
            parts: dict[str, dict[str, bytes]] = {}
            for member in tar:
                file = tar.extractfile(member)
                if file is None:
                    continue
                key, _, kind = member.name.partition(".")
                found = parts.setdefault(key, {})
                found[kind] = file.read()
                if {"jpg", "json"} <= found.keys():
                    del parts[key]
                    yield Region(found["jpg"], RegionMeta.model_validate_json(found["json"]))
            if parts:
                raise ValueError(f"{path.name}: incomplete regions {sorted(parts)[:5]}")


def shards_in(folder: Path) -> list[Path]:
    """The shards of a folder by name. FileNotFoundError if there are none."""
    paths = sorted(folder.glob("*.tar"))
    if not paths:
        raise FileNotFoundError(f"no shards (*.tar) in {folder}: make them with `xmag-train curate`")
    return paths


def regions_sha256(regions: Iterable[Region]) -> str:
    """Digest of which regions, by key and pixels, independent of order and sharding."""
    lines = sorted(f"{region.key} {hashlib.sha256(region.jpeg).hexdigest()}" for region in regions)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _write_shard(regions: Sequence[Region], path: Path) -> Path:
    draft = path.with_name(f".{path.name}.part")
    with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
        for region in regions:
            for kind, data in (("jpg", region.jpeg), ("json", region.meta.model_dump_json().encode())):
                info = tarfile.TarInfo(f"{region.key}.{kind}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    draft.replace(path)
    return path
