"""One slide through the service's reader and a network: a bag with the attributes that the service writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from app.errors import NoTissueError
from app.slides.formats.files import slide_files
from app.slides.formats.hashing import hash_slide
from app.slides.sandbox.reader import SlideReader
from app.slides.tiles.grid import cell_size
from app.slides.types import SlideInfo, Survey
from xmag_train.embed.source import Source


@dataclass(frozen=True)
class SlideBag:
    """``features`` float32 [N, D], ``coords`` int64 [N, 2] level-0 px, ``tissue_fractions`` float32 [N].

    ``attributes``: of ``coords``, by the names that TRIDENT reads, and ours.
    """

    features: NDArray[np.float32]
    coords: NDArray[np.int64]
    tissue_fractions: NDArray[np.float32]
    attributes: dict[str, int | float | str]


def embed_slide(path: Path, source: Source, reader: SlideReader, mpp: float | None) -> SlideBag:
    """Read and embed every tile; ``mpp`` (µm/px) in place of the file's.

    SlideError's kinds, NoTissueError among them, where the slide cannot be used.
    """
    info = reader.open(path.resolve(), mpp)
    survey = reader.survey(source.plan)
    if len(survey.coords) == 0:
        raise NoTissueError("No tissue was found on the slide.")
    features = np.concatenate([source.embed(batch.tiles) for batch in reader.tiles(source.batch_tiles)])
    sha256, _ = hash_slide(path)
    return SlideBag(features, survey.coords, survey.tissue_fractions, attributes(info, survey, source, sha256))


def attributes(info: SlideInfo, survey: Survey, source: Source, sha256: str) -> dict[str, int | float | str]:
    """What the service's embeddings.h5 says of ``coords``."""
    return {
        "patch_size": source.plan.tile_px,
        "patch_size_level0": cell_size(survey.tile_size0),
        "level0_magnification": 10.0 / info.mpp,
        "target_magnification": 10.0 / source.plan.tile_mpp,
        "overlap": 0,
        "name": sha256[:16],
        "savetodir": "",
        "level0_width": info.width,
        "level0_height": info.height,
        "mpp": info.mpp,
        **source.about,
        "sha256": sha256,
    }


def write_slide_bag(path: Path, bag: SlideBag, made_by: Mapping[str, str | int]) -> None:
    """Write ``path`` whole or not at all. ``made_by``: attributes of the file: what made the features, from what."""
    draft = path.with_name(f".{path.name}.part")
    with h5py.File(draft, "w", libver="v110") as file:
        for name, array in (
            ("features", bag.features),
            ("coords", bag.coords),
            ("tissue_fractions", bag.tissue_fractions),
        ):
            file.create_dataset(name, data=array, track_times=False)
        file["features"].attrs.update({"name": bag.attributes["name"], "savetodir": ""})
        file["coords"].attrs.update(bag.attributes)
        file.attrs.update(made_by)
    draft.replace(path)


def slide_state(slide: Path) -> dict[str, int]:
    """Attributes of the file that tell a slide without reading it: its files' size, and the last change of any."""
    states = [file.stat() for file in slide_files(slide)]
    return {"slide_bytes": sum(s.st_size for s in states), "slide_mtime_ns": max(s.st_mtime_ns for s in states)}


def is_made(path: Path, source: Source, slide: Path, mpp: float | None) -> bool:
    """Whether ``source`` made the bag at ``path`` of this very ``slide``: the same weights, reading and bytes.

    A slide of another size or time than the bag says is hashed. Raises as ``slide_files``.
    """
    if not path.is_file():
        return False
    with h5py.File(path, "r") as file:
        if any(file.attrs.get(name) != value for name, value in source.stamp().items()):
            return False
        if mpp is not None and mpp != file["coords"].attrs["mpp"]:
            return False
        state = slide_state(slide)
        if all(file.attrs.get(name) == value for name, value in state.items()):
            return True
        known_bytes = file.attrs.get("slide_bytes", state["slide_bytes"])
        return known_bytes == state["slide_bytes"] and hash_slide(slide)[0] == file["coords"].attrs["sha256"]
