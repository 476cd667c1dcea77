"""`xmag-train bags`: regions in shards → one bag per slide."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import typer
from pydantic import model_validator

from xmag_train.config import Config
from xmag_train.data.shards import Region, read_shards, regions_sha256, shards_in
from xmag_train.files import write_json
from xmag_train.mil.bags import Bag, read_bag, write_bag
from xmag_train.mil.encode import EncoderConfig, cached_regions, encode_regions
from xmag_train.progress import track

METRICS_FILE = "metrics.json"


class BagsConfig(Config):
    """``shards``: folder of region shards. ``out``: folder for `<slide>.h5`. ``device``: torch's name.

    ``cache``: for a teacher, the folder of cached targets of a distillation with the usual ``augment``. Missing targets
    are computed. The bag holds the unchanged view of each region.
    """

    shards: Path
    encoder: EncoderConfig
    out: Path
    device: str = "cpu"
    cache: Path | None = None

    @model_validator(mode="after")
    def _only_teachers_are_cached(self) -> "BagsConfig":
        if self.cache is not None and self.encoder.kind != "teacher":
            raise ValueError("cache is of a teacher's embeddings")
        return self


def run_bags(path: Path) -> None:
    """What ``xmag-train bags`` does."""
    config = BagsConfig.read(path)
    made = make_bags(config)
    kept = sum(1 for _ in config.out.glob("*.h5")) - made
    write_json(config.out / METRICS_FILE, {"bags_made": made, "bags_kept": kept, **config.encoder.identity()})
    typer.echo(f"{config.out}: {made} bags made, {kept} kept")


def make_bags(config: BagsConfig) -> int:
    """Write the bags that are not there yet, of these very regions; how many. One of another encoder is an error."""
    corpus = list(read_shards(shards_in(config.shards)))
    in_order = sorted(corpus, key=lambda region: region.meta.slide)
    by_slide = {slide: list(regions) for slide, regions in groupby(in_order, key=lambda region: region.meta.slide)}
    identity = config.encoder.identity()
    missing = {
        slide: regions
        for slide, regions in by_slide.items()
        if not _is_there(config.out / f"{slide}.h5", identity["encoder_sha256"], regions)
    }
    todo = [region for regions in missing.values() for region in regions]
    found: list[np.ndarray] = []
    if config.cache is None:
        embedded = encode_regions(todo, config.encoder, config.device)
    else:
        embedded = cached_regions(todo, corpus, config.encoder, config.cache, torch.device(config.device))
    for region, embedding in track(embedded, "embedding", total=len(todo)):
        found.append(embedding)
        regions = missing[region.meta.slide]
        if len(found) == len(regions):
            coords = np.asarray([[one.meta.x0, one.meta.y0] for one in regions], np.int64)
            about = {"instance": "896 px region at 0.5 um/px", "regions_sha256": regions_sha256(regions), **identity}
            bag = Bag(np.stack(found).astype(np.float32), coords, about)
            write_bag(config.out / f"{region.meta.slide}.h5", bag)
            found = []
    return len(missing)


def _is_there(path: Path, encoder_sha256: str, regions: Sequence[Region]) -> bool:
    if not path.is_file():
        return False
    bag = read_bag(path)
    if bag.attributes.get("encoder_sha256") != encoder_sha256:
        raise ValueError(f"{path} was made by another encoder: choose another folder")
    return bag.attributes.get("regions_sha256") == regions_sha256(regions)
