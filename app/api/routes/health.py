"""Health and models, in the words of the Open Inference Protocol (v2)."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.api.auth import Reader
from app.api.reference.refusals import ACCESS, responses
from app.api.services import NO_MODEL, ServicesDep
from app.errors import DiskLowError, ModelError, NoModelError, NoSuchModelError, QueueUnavailableError
from app.inference.manifest import Manifest
from app.jobs.queue.presence import WorkerPresence, live_workers

router = APIRouter(prefix="/v2")


class Live(BaseModel):
    """The API process answers."""

    live: Literal[True] = True
    version: str


class Ready(BaseModel):
    """Whether jobs are being worked on. If not, POST /analyze is still accepted: jobs wait on disk."""

    ready: bool
    queue: bool
    draining: bool
    workers: list[WorkerPresence]
    reasons: list[str]


class ModelSummary(BaseModel):
    """One model of the list."""

    name: str
    version: str
    tasks: list[str]
    trained: bool
    validated: bool
    is_default: bool


class ModelList(BaseModel):
    """Usable models, and why others are not."""

    models: list[ModelSummary]
    problems: dict[str, str]


class ModelDetail(BaseModel):
    """A model's manifest, as its folder has it."""

    name: str
    versions: list[str]
    platform: Literal["onnx"] = "onnx"
    manifest_sha256: str
    manifest: Manifest


@router.get("/health/live", tags=["health"], summary="Is the process alive?", operation_id="get_live")
async def live() -> Live:
    """200 while the process answers."""
    return Live(version=version("xmag-serve"))


@router.get(
    "/health/ready",
    tags=["health"],
    summary="Is the service ready?",
    operation_id="get_ready",
    responses={503: {"model": Ready}},
)
def ready(services: ServicesDep, response: Response) -> Ready:
    """200 when Redis answers, a worker says that its model is loaded and warm, and the disk has room; else 503 with
    the reasons. Finished jobs can still be read and erased."""
    reasons, workers, queue = [], [], True
    try:
        services.queue.redis.ping()
        workers = live_workers(services.queue.redis)
    except QueueUnavailableError as error:
        queue = False
        reasons.append(error.message)
    if queue and not workers:
        reasons.append("No worker has its model loaded and warm. It may be starting; else look at its log.")
    try:
        services.registry.default(None, services.settings.model)
    except NoModelError:
        reasons.append(NO_MODEL)
    except ModelError as error:
        reasons.append(error.message)
    try:
        services.admission.check_disk(0)
    except DiskLowError as error:
        reasons.append(error.message)
    except OSError as error:
        reasons.append(f"The data folder cannot be read: {error.strerror}.")
    draining = services.admission.draining.is_set()
    if draining:
        reasons.append("The service is going down.")
    if reasons:
        response.status_code = 503
    return Ready(ready=not reasons, queue=queue, draining=draining, workers=workers, reasons=reasons)


@router.get(
    "/models",
    tags=["models"],
    summary="List the models",
    operation_id="list_models",
    responses=responses(*ACCESS),
)
def models(services: ServicesDep, _: Reader) -> ModelList:
    """All models in the server's folder."""
    registry = services.registry
    names = registry.names()
    preferred = services.settings.model or (names[0] if len(names) == 1 else None)
    found = []
    for name in names:
        manifest = registry.manifest(name)
        found.append(
            ModelSummary(
                name=name,
                version=manifest.version,
                tasks=[head.task for head in manifest.heads],
                trained=all(head.trained for head in manifest.heads),
                validated=all(head.validated for head in manifest.heads),
                is_default=name == preferred,
            )
        )
    return ModelList(models=found, problems=registry.problems())


@router.get(
    "/models/{name}",
    tags=["models"],
    summary="One model's manifest",
    operation_id="get_model",
    responses=responses(*ACCESS, NoSuchModelError),
)
def model(name: str, services: ServicesDep, _: Reader) -> ModelDetail:
    """What the model is, what it was measured to do, and what it is for."""
    registry = services.registry
    if name not in registry.names():
        raise NoSuchModelError(f"There is no model {name!r} here. /v2/models lists them.")
    manifest = registry.manifest(name)
    return ModelDetail(
        name=name,
        versions=[manifest.version],
        manifest_sha256=registry.manifest_sha256(name),
        manifest=manifest,
    )
