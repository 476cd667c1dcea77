"""Downloads of a finished job: the files that its analysis wrote."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse

from app.api.reference.openapi_parts import file_content, ranges
from app.api.reference.refusals import A_RESULT, A_TASK, responses
from app.api.result_folder import ReadableJob, file_response, note_read, result_folder
from app.api.services import ServicesDep
from app.errors import ResultNotReadyError
from app.results.catalogue import ATTENTION, OUTPUTS, RESULT, Output
from app.results.files.write import geojson_name, read_document
from app.results.schema import ResultDocument

router = APIRouter(
    prefix="/jobs/{job_id}",
    tags=["results"],
    responses=responses(*A_RESULT),
    dependencies=[Depends(note_read)],
)


@router.get(
    f"/{RESULT.path}",
    response_model=ResultDocument,
    summary=RESULT.title,
    description=RESULT.text,
    responses=ranges(RESULT.media_type),
)
def get_result(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """The stored file."""
    return file_response(result_folder(services, job) / RESULT.name, RESULT.media_type)


@router.get(f"/{RESULT.name}", include_in_schema=False)
def get_result_json(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """The same under the file's name."""
    return get_result(job, services)


@router.get(
    f"/{ATTENTION.name}",
    response_class=FileResponse,
    summary=ATTENTION.title,
    description=ATTENTION.text,
    responses={**file_content(ATTENTION.media_type), **responses(*A_TASK)},
)
def get_geojson(
    job: ReadableJob,
    services: ServicesDep,
    origin: Annotated[
        Literal["bounds", "image"],
        Query(description="bounds: QuPath's frame, which starts at the scanner's bounds; image: level-0 (0, 0)"),
    ] = "bounds",
) -> FileResponse:
    """The stored file of one frame."""
    folder = result_folder(services, job)
    return file_response(folder / geojson_name(read_document(folder), origin), ATTENTION.media_type)


def _add_route(output: Output) -> None:
    """The route of a file that is sent as it is stored."""

    def get(job: ReadableJob, services: ServicesDep) -> FileResponse:
        path = result_folder(services, job, succeeded=not output.is_of_failed) / output.name
        if not path.exists():
            raise ResultNotReadyError(f"The result of this job has no {output.name}.")
        return file_response(path, output.media_type)

    router.add_api_route(
        f"/{output.name}",
        get,
        name=f"get_{output.link}",
        response_class=FileResponse,
        summary=output.title,
        description=output.text,
        responses=file_content(output.media_type),
    )


for _output in OUTPUTS:
    if _output.is_sent_as_stored:
        _add_route(_output)
