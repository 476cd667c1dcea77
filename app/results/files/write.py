"""The result's files: written into a job's folder, fsynced, read back."""

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.results.catalogue import ATTENTION, EMBEDDINGS, HEATMAP, OVERLAY, QC_MASK, RESULT, THUMBNAIL, TISSUE_MASK
from app.results.files.geojson import Origin, geojson_chunks, origin_px
from app.results.files.hdf5 import write_embeddings
from app.results.pictures.heatmap import heatmap_description, render_heatmap
from app.results.pictures.mask_image import render_qc_mask, render_tissue_mask
from app.results.pictures.overlay import render_overlay_layer
from app.results.schema import ResultDocument
from app.results.slide_result import SlideResult
from app.slides.types import BoolArray
from app.system.durable import sync

_JPEG_QUALITY: Final = 88


def heatmap_name(document: ResultDocument, task: str | None = None) -> str:
    """File of a task's heatmap: ``heatmap.png`` for the first prediction, ``heatmap.<task>.png`` for others."""
    return _task_file(document, HEATMAP.name, task)


def overlay_name(document: ResultDocument, task: str | None = None) -> str:
    """File of a task's transparent layer: ``overlay.png`` for the first prediction, else ``overlay.<task>.png``."""
    return _task_file(document, OVERLAY.name, task)


def geojson_name(document: ResultDocument, origin: Origin = "bounds") -> str:
    """File of the squares in the frame of ``origin``; both frames share one file where they are the same."""
    same = origin_px(document, origin) == origin_px(document, "bounds")
    return ATTENTION.name if same else "attention.image.geojson"


def top_tile_name(document: ResultDocument, rank: int, task: str | None = None) -> str:
    """File of a task's top tile: ``top_tile_01.jpg`` for the first prediction, else ``top_tile_01.<task>.jpg``."""
    return _task_file(document, f"top_tile_{rank:02}.jpg", task)


def write_results(result: SlideResult, folder: Path) -> tuple[str, ...]:
    """Write every file of ``result`` into an existing ``folder`` and fsync them and it; their names, result.json last.

    A reader that finds result.json finds the others complete. Raises OSError where the disk refuses.
    """
    document = result.document
    tasks = [prediction.task for prediction in document.predictions]
    # The heatmaps are half of the work, and most of it is in libraries that leave other threads their turn.
    with ThreadPoolExecutor(1, thread_name_prefix="heatmap") as beside:
        heatmaps = [beside.submit(_write_heatmap, result, task, folder) for task in tasks]
        names = _write_others(result, folder, tasks)
        names += [heatmap.result() for heatmap in heatmaps]
    (folder / RESULT.name).write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
    names.append(RESULT.name)
    for name in names:
        sync(folder / name)
    sync(folder)
    return tuple(names)


def _write_heatmap(result: SlideResult, task: str, folder: Path) -> str:
    name = heatmap_name(result.document, task)
    _write_png(render_heatmap(result, task), folder / name, heatmap_description(result, task))
    return name


def _write_others(result: SlideResult, folder: Path, tasks: list[str]) -> list[str]:
    """All but the heatmaps and result.json; their names."""
    document = result.document
    names = [THUMBNAIL.name, TISSUE_MASK.name, QC_MASK.name, EMBEDDINGS.name]
    _write_jpeg(Image.fromarray(result.thumbnail), folder / THUMBNAIL.name)
    _write_png(render_tissue_mask(result.tissue_mask), folder / TISSUE_MASK.name)
    _write_png(render_qc_mask(result.artefacts), folder / QC_MASK.name)
    write_embeddings(result, folder / EMBEDDINGS.name)
    for task in tasks:
        names.append(overlay_name(document, task))
        _write_png(render_overlay_layer(result, task), folder / names[-1])
    for top, tile in zip(document.top_tiles, result.top_pictures, strict=True):
        name = top_tile_name(document, top.rank, top.task)
        _write_jpeg(Image.fromarray(tile), folder / name)
        names.append(name)
    origins: tuple[Origin, ...] = ("bounds", "image")
    for origin in origins:
        name = geojson_name(document, origin)
        if name not in names:
            with (folder / name).open("w", encoding="utf-8") as file:
                file.writelines(geojson_chunks(result, origin))
            names.append(name)
    return names


def write_tissue_mask(tissue_mask: BoolArray, folder: Path) -> str:
    """Write tissue_mask.png alone, for a slide that failed for want of tissue; its name."""
    _write_png(render_tissue_mask(tissue_mask), folder / TISSUE_MASK.name)
    sync(folder / TISSUE_MASK.name)
    sync(folder)
    return TISSUE_MASK.name


def read_document(folder: Path) -> ResultDocument:
    """result.json of a finished job. Raises FileNotFoundError, or pydantic's ValidationError for another schema."""
    return ResultDocument.model_validate_json((folder / RESULT.name).read_bytes())


def _task_file(document: ResultDocument, name: str, task: str | None) -> str:
    stem, dot, kind = name.partition(".")
    return name if task in (None, document.predictions[0].task) else f"{stem}.{task}{dot}{kind}"


def _write_jpeg(picture: Image.Image, path: Path) -> None:
    with path.open("wb") as file:
        encode_jpeg(picture, file)


def _write_png(picture: Image.Image, path: Path, description: str | None = None) -> None:
    with path.open("wb") as file:
        encode_png(picture, file, description)


def encode_jpeg(picture: Image.Image, file: IO[bytes]) -> None:
    """Write the picture as JPEG that shows tissue as it is."""
    picture.save(file, format="JPEG", quality=_JPEG_QUALITY, subsampling=0)


def encode_png(picture: Image.Image, file: IO[bytes], description: str | None = None) -> None:
    """Write the picture as PNG, fast; ``description`` for those who cannot see it."""
    info = PngInfo()
    if description is not None:
        info.add_itxt("Description", description)
    # Run lengths: on flat tiles and on scanned tissue alike as small as full deflate, in two thirds of the time.
    picture.save(file, format="PNG", compress_level=1, compress_type=zlib.Z_RLE, pnginfo=info)
