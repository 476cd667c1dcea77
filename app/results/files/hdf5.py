"""embeddings.h5: features and coordinates in the layout that CLAM and TRIDENT read and write.

Both take the datasets ``features`` and ``coords`` from the root; TRIDENT takes tile size and magnification from the
attributes of ``coords``. No file name and no path goes in: ``name`` is the slide's hash, ``savetodir`` is empty.
The same result gives the same bytes.
"""

from pathlib import Path

import h5py
import numpy as np

from app.results import wording
from app.results.schema import ResultDocument
from app.results.slide_result import HeadMap, SlideResult, TileMaps
from app.slides.tiles.grid import cell_size
from app.slides.types import Float32Array


def write_embeddings(result: SlideResult, path: Path) -> None:
    """Write the file: ``features`` float32 [N, D], ``coords`` int64 [N, 2] level-0 px, ``tissue_fractions`` [N] and
    ``sharpness`` [N] (NaN: not judged for focus). Each head adds ``attention/<task>`` [K, N] and
    ``tile_scores/<task>`` [N, C] where it has them.

    Not compressed: embeddings are noise to a compressor (gzip saves a tenth and costs fifty times the time), and a
    plain layout can be memory-mapped.
    """
    with h5py.File(path, "w", libver="v110") as file:
        _add(file, "features", result.features.astype(np.float32, copy=False))
        _add(file, "coords", result.coords.astype(np.int64, copy=False))
        _add(file, "tissue_fractions", result.tissue_fractions)
        _add(file, "sharpness", result.sharpness)
        file["features"].attrs.update({"name": _name(result.document), "savetodir": ""})
        file["coords"].attrs.update(coords_attributes(result.document))
        for head in result.heads:
            if head.attention is not None:
                _add(file, f"attention/{head.task}", head.attention)
                if len(head.attention) > 1:
                    file[f"attention/{head.task}"].attrs["labels"] = list(head.labels)
            if head.tile_scores is not None:
                _add(file, f"tile_scores/{head.task}", head.tile_scores)
                file[f"tile_scores/{head.task}"].attrs["labels"] = list(head.labels)
        statements = dict.fromkeys(wording.state_sentence(prediction) for prediction in result.document.predictions)
        file.attrs["statement"] = " ".join(statements)


def read_tiles(path: Path, document: ResultDocument) -> TileMaps:
    """What the file says of each tile, without the embeddings. ``document`` is the result.json beside it."""
    with h5py.File(path) as file:
        heads = [
            HeadMap(
                prediction.task,
                tuple(prediction.labels),
                _array(file, f"attention/{prediction.task}"),
                _array(file, f"tile_scores/{prediction.task}"),
            )
            for prediction in document.predictions
        ]
        return TileMaps(
            document=document,
            coords=file["coords"][:],
            tissue_fractions=file["tissue_fractions"][:],
            heads=tuple(heads),
            sharpness=file["sharpness"][:],
        )


def coords_attributes(document: ResultDocument) -> dict[str, int | float | str]:
    """The attributes of ``coords``: TRIDENT's names first, then ours.

    Magnifications follow from µm/px (10 / mpp), so that their ratio is exactly the tiles' resampling factor.
    """
    slide, tiling, model = document.slide, document.tiling, document.model
    return {
        "patch_size": tiling.tile_px,
        "patch_size_level0": cell_size(tiling.tile_size0_px),
        "level0_magnification": 10.0 / slide.mpp,
        "target_magnification": 10.0 / tiling.tile_mpp,
        "overlap": 0,
        "name": _name(document),
        "savetodir": "",
        "level0_width": slide.width_px,
        "level0_height": slide.height_px,
        "mpp": slide.mpp,
        "model": f"{model.name} {model.version}",
        "model_manifest_sha256": model.manifest_sha256,
        "student_sha256": model.student_sha256,
        "sha256": slide.sha256,
    }


def _name(document: ResultDocument) -> str:
    return document.slide.sha256[:16]


def _array(file: h5py.File, name: str) -> Float32Array | None:
    return file[name][:] if name in file else None


def _add(file: h5py.File, name: str, array: np.typing.NDArray[np.generic]) -> None:
    file.create_dataset(name, data=array, track_times=False)
