"""What a viewer lays over the slide, and the pictures beside it: all from what the job's own analysis stored."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import FileResponse
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from app.api.reference.openapi_parts import content, file_content
from app.api.reference.refusals import A_TASK, responses
from app.api.result_folder import (
    Drawing,
    ReadableJob,
    TaskQuery,
    file_response,
    known_task,
    note_read,
    png_response,
    result_folder,
)
from app.api.services import ServicesDep
from app.errors import LayerNotFoundError, RequestInvalidError
from app.results.catalogue import HEATMAP, LAYERS, QC_MASK, TISSUE_MASK, TOP_TILES
from app.results.files.write import (
    heatmap_name,
    overlay_name,
    read_document,
    top_tile_name,
)
from app.results.heads import Quantity, shown_map
from app.results.pictures.area_layers import qc_layer, tissue_layer
from app.results.pictures.colour_map import DEFAULT_PALETTE, Palette
from app.results.pictures.layers import Layer, layers
from app.results.pictures.mask_image import read_qc_mask, read_tissue_mask
from app.results.pictures.overlay import OPACITY, ranked_index, scale_layer
from app.results.pictures.tile_scale import Scale, places
from app.results.report.stored_report import stored_tiles

router = APIRouter(
    prefix="/jobs/{job_id}",
    tags=["results"],
    responses=responses(*A_TASK),
    dependencies=[Depends(note_read)],
)


class MapQuery(BaseModel):
    """What to draw, and how."""

    model_config = ConfigDict(extra="forbid")

    layer: Literal["heatmap", "overlay"] = Field(
        default="heatmap",
        description="heatmap: on the thumbnail with a legend; overlay: RGBA over the whole level-0 extent",
    )
    task: str | None = Field(default=None, description="which head's map; default: the first")
    quantity: Quantity | None = Field(
        default=None, description="overlay: quantity to show; default: tile_scores if the head gives them"
    )
    label: str | None = Field(
        default=None, alias="class", description="overlay: of a head with attention or scores per class, which one"
    )
    scale: Scale | None = Field(
        default=None, description="overlay: percentile within the slide (default), or raw, linear from least to most"
    )
    palette: Palette | None = Field(default=None, description=f"overlay: colours; default {DEFAULT_PALETTE}")
    opacity: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="overlay: of a tile, percent; default 59, 100 where a viewer has its own",
    )

    @property
    def is_plain(self) -> bool:
        """Whether the stored picture answers it."""
        return all(v is None for v in (self.quantity, self.label, self.scale, self.palette, self.opacity))


@router.get(f"/{LAYERS.name}", summary=LAYERS.title)
async def get_layers(job: ReadableJob, services: ServicesDep, draw: Drawing, response: Response) -> list[Layer]:
    """Tile scores, attention, tissue and quality, each with its legend in words. Show the first layer by default: tile
    scores of the positive class if the head gives scores, else attention."""
    folder = result_folder(services, job)
    response.headers["Cache-Control"] = "private, no-store"
    base = f"{services.settings.public_url}/jobs/{job.request.id}"
    return await draw(lambda: layers(stored_tiles(folder), base))


@router.get(
    f"/{HEATMAP.name}", response_class=Response, summary=HEATMAP.title, responses=file_content(HEATMAP.media_type)
)
async def get_heatmap(
    job: ReadableJob, services: ServicesDep, draw: Drawing, query: Annotated[MapQuery, Query()]
) -> Response:
    """PNG of the map that opens first: tile scores of the positive class if the head gives them, else attention.
    Attention shows where the model looked. It does not show where tumour is. Glass has no colour and no rank."""
    folder = result_folder(services, job)
    document = read_document(folder)
    task = known_task(document, query.task)
    if query.is_plain:
        name = (heatmap_name if query.layer == "heatmap" else overlay_name)(document, task)
        return file_response(folder / name, HEATMAP.media_type)
    if query.layer == "heatmap":
        raise RequestInvalidError("class, quantity, scale, palette and opacity belong to layer=overlay.")
    return await draw(lambda: png_response(_overlay(folder, query)))


@router.get("/tissue.png", response_class=Response, summary="Tissue layer", responses=content("image/png"))
async def get_tissue(job: ReadableJob, services: ServicesDep, draw: Drawing) -> Response:
    """RGBA over the entire level-0 extent: the area counted as tissue."""
    folder = result_folder(services, job)
    return await draw(lambda: png_response(tissue_layer(read_tissue_mask(folder / TISSUE_MASK.name))))


@router.get("/qc.png", response_class=Response, summary="Quality layer", responses=content("image/png"))
async def get_qc(job: ReadableJob, services: ServicesDep, draw: Drawing) -> Response:
    """RGBA over the entire level-0 extent: ink, black or dirty areas, and tiles judged out of focus."""
    folder = result_folder(services, job)
    return await draw(lambda: png_response(qc_layer(read_qc_mask(folder / QC_MASK.name), stored_tiles(folder))))


@router.get(
    "/top_tiles/{rank}.jpg",
    response_class=FileResponse,
    summary="One of the highest tiles of the map",
    responses={**file_content(TOP_TILES.media_type), **responses(*A_TASK, LayerNotFoundError)},
)
def get_top_tile(job: ReadableJob, services: ServicesDep, rank: int, task: TaskQuery = None) -> FileResponse:
    """JPEG of 224 px at 2.0 µm/px, as the model saw it. Ranks, from 1, are those of `top_tiles` in the result."""
    folder = result_folder(services, job)
    document = read_document(folder)
    wanted = known_task(document, task) or document.predictions[0].task
    ranks = [top.rank for top in document.top_tiles if top.task == wanted]
    if rank not in ranks:
        raise LayerNotFoundError(f"Task {wanted} has {len(ranks)} top tiles in this result; there is no number {rank}.")
    return file_response(folder / top_tile_name(document, rank, task), TOP_TILES.media_type)


def _overlay(folder: Path, query: MapQuery) -> Image.Image:
    maps = stored_tiles(folder)
    with Image.open(folder / TISSUE_MASK.name) as mask:
        size = mask.size
    tiles = shown_map(maps, query.task, query.label, query.quantity).tiles
    if tiles is None:
        return Image.new("RGBA", size, (0, 0, 0, 0))
    opacity = OPACITY if query.opacity is None else round(2.55 * query.opacity)
    where = places(tiles.values[maps.has_rank], query.scale or "percentile")
    return scale_layer(ranked_index(maps, size), where, query.palette or DEFAULT_PALETTE, opacity)
