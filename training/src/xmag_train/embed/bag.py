"""One slide through the service's reader and the student: a bag with the attributes that the service writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from app.errors import NoTissueError
from app.inference.model import Model
from app.reading_plan import reading_plan
from app.slides.hashing import hash_slide
from app.slides.reader import SlideReader
from app.slides.types import SlideInfo, Survey


@dataclass(frozen=True)
class SlideBag:
    """``features`` float32 [N, D], ``coords`` int64 [N, 2] level-0 px, ``tissue_fractions`` float32 [N].

    ``attributes``: of ``coords``, by the names that TRIDENT reads, and ours.
    """

    features: NDArray[np.float32]
    coords: NDArray[np.int64]
    tissue_fractions: NDArray[np.float32]
    attributes: dict[str, int | float | str]


def embed_slide(path: Path, model: Model, reader: SlideReader, batch_tiles: int) -> SlideBag:
    """Read and embed every tile. SlideError's kinds, NoTissueError among them, where the slide cannot be used."""
    info = reader.open(path)
    survey = reader.survey(reading_plan(model.manifest))
    if len(survey.coords) == 0:
        raise NoTissueError("No tissue was found on the slide.")
    features = np.empty((len(survey.coords), model.manifest.embedding_dim), dtype=np.float32)
    for batch in reader.tiles(batch_tiles):
        features[batch.start : batch.start + len(batch.tiles)] = model.embedder.embed(batch.tiles)
    sha256, _ = hash_slide(path)
    return SlideBag(features, survey.coords, survey.tissue_fractions, attributes(info, survey, model, sha256))


def attributes(info: SlideInfo, survey: Survey, model: Model, sha256: str) -> dict[str, int | float | str]:
    """What the service's embeddings.h5 says of ``coords``."""
    manifest = model.manifest
    return {
        "patch_size": manifest.tile_px,
        "patch_size_level0": round(survey.tile_size0),
        "level0_magnification": 10.0 / info.mpp,
        "target_magnification": 10.0 / manifest.mpp,
        "overlap": 0,
        "name": sha256[:16],
        "savetodir": "",
        "level0_width": info.width,
        "level0_height": info.height,
        "mpp": info.mpp,
        "model": f"{manifest.name} {manifest.version}",
        "model_manifest_sha256": model.manifest_sha256,
        "student_sha256": student_sha256(model),
        "sha256": sha256,
    }


def student_sha256(model: Model) -> str:
    """Of the variant that ran."""
    return model.manifest.variant(model.precision).file.sha256


def write_slide_bag(path: Path, bag: SlideBag, encoder: dict[str, Any]) -> None:
    """Write ``path`` whole or not at all. ``encoder``: file attributes that bind heads to what made the features."""
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
        file.attrs.update(encoder)
    draft.replace(path)


def made_by(path: Path) -> str | None:
    """sha256 of the student that made the bag at ``path``; None if there is none."""
    if not path.is_file():
        return None
    with h5py.File(path, "r") as file:
        return str(file["coords"].attrs["student_sha256"])
