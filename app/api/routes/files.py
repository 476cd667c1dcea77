"""What people take away from a finished job: the files that its analysis wrote."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse

from app.api.problems import responses
from app.api.reference.openapi_parts import file_content, ranges
from app.api.result_folder import file_response, note_read, result_folder
from app.api.services import ServicesDep
from app.api.visible_job import ReadableJob
from app.errors import ResultNotReadyError
from app.results.files.write import EMBEDDINGS_H5, RESULT_JSON, TISSUE_MASK_PNG, geojson_name, read_document
from app.results.schema import ResultDocument

router = APIRouter(
    prefix="/jobs/{job_id}",
    tags=["results"],
    responses=responses(401, 403, 404, 409, 410),
    dependencies=[Depends(note_read)],
)


@router.get("/result", response_model=ResultDocument, summary="The result", responses=ranges("application/json"))
def get_result(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """Predictions, top tiles, quality figures, tiling, timings, and what made them. Also as `result.json`."""
    return file_response(result_folder(services, job) / RESULT_JSON, "application/json")


@router.get("/result.json", include_in_schema=False)
def get_result_json(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """The same under the file's name."""
    return get_result(job, services)


@router.get(
    "/tissue_mask.png", response_class=FileResponse, summary="The tissue mask", responses=file_content("image/png")
)
def get_tissue_mask(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """PNG aligned with the thumbnail, white where tissue was found. Jobs that failed with `no_tissue` have it too."""
    folder = result_folder(services, job, succeeded=False)
    if not (folder / TISSUE_MASK_PNG).exists():
        raise ResultNotReadyError("The job failed before a tissue mask was made.")
    return file_response(folder / TISSUE_MASK_PNG, "image/png")


@router.get(
    "/attention.geojson",
    response_class=FileResponse,
    summary="Attention as squares, for QuPath",
    responses={**file_content("application/geo+json"), **responses(422)},
)
def get_geojson(
    job: ReadableJob,
    services: ServicesDep,
    origin: Annotated[
        Literal["bounds", "image"],
        Query(description="bounds: QuPath's frame, which starts at the scanner's bounds; image: level-0 (0, 0)"),
    ] = "bounds",
) -> FileResponse:
    """A FeatureCollection: one square per row of embeddings.h5, in its order."""
    folder = result_folder(services, job)
    return file_response(folder / geojson_name(read_document(folder), origin), "application/geo+json")


@router.get(
    "/embeddings.h5",
    response_class=FileResponse,
    summary="Embeddings (HDF5)",
    responses=file_content("application/x-hdf5"),
)
def get_embeddings(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """`features` float32 [N, D] and `coords` int64 [N, 2], as the CLAM and TRIDENT family of tools reads them."""
    return file_response(result_folder(services, job) / EMBEDDINGS_H5, "application/x-hdf5")
