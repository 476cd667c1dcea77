"""The API in the test's own process: every layer but sockets and processes, so that a debugger stops in a route.

What needs a process of its own (signals, logs, a worker that is killed) takes ``tests.service.Service``.
"""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from app.api.services import Services
from app.errors import NoTissueError
from app.main import create_app
from app.records.record import JobError, Outcome, UploadSource, now
from app.results.cautions import warning_codes
from app.results.files.write import write_results, write_tissue_mask
from app.results.schema import JobPart
from app.settings import Settings
from app.system.redis import PREFIX
from app.wiring import parts_of
from tests.results.make_result import Recipe, make_result
from tests.service import ROOT, Requests

ADDRESS = ("127.0.0.1", 50000)
AS_THE_MODEL = Recipe(
    columns=3,
    mpp=2.0,
    thumbnail_px=224,
    tasks=("malignancy",),
    labels=("malignant", "not_malignant"),
    positive_class="malignant",
    tile_scores=True,
    trained=True,
)
"""A result of the kind that the installed model gives: 896 px of tissue at 2 µm/px, pictures at 8 µm/px."""


class InProcess(Requests):
    """An application, its services, and a client to ask it. No worker: jobs wait until a test ends them."""

    def __init__(self, data_dir: Path, redis_url: str, **settings: object) -> None:
        self.data_dir, self.lines, self.url = data_dir, list[str](), "http://127.0.0.1:8000"
        known = {"data_dir": data_dir, "redis_url": redis_url, "models_dir": ROOT / "models"}
        self.app = create_app(Settings.model_validate(known | settings))
        self._open = ExitStack()

    @property
    def services(self) -> Services:
        """What the routes use."""
        return self.app.state.services

    def __enter__(self) -> Self:
        portal = self._open.enter_context(start_blocking_portal())
        self._open.enter_context(portal.wrap_async_context_manager(self.app.router.lifespan_context(self.app)))
        self._transport = _Transport(self.app, portal)
        self.http = self._open.enter_context(self.client())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._open.close()

    def client(self) -> httpx.Client:
        """Another client, with cookies of its own."""
        return httpx.Client(transport=self._transport, base_url=self.url)

    def reconcile(self) -> None:
        """What the upkeep does every ten seconds, now."""
        redis = self.services.queue.redis
        redis.client.delete(f"{PREFIX}lock:reconcile")  # the last turn may have been a moment ago
        parts_of(self.services.settings, redis).reconciler.turn()

    def done(
        self, slide: Path, headers: dict[str, str] | None = None, *, recipe: Recipe = AS_THE_MODEL, **fields: str
    ) -> str:
        """A slide is sent, and its job succeeds; the job's id."""
        answer = self.post(slide, headers, **fields)
        assert answer.status_code == 202, answer.text
        self.succeed(answer.json()["id"], recipe)
        return str(answer.json()["id"])

    def succeed(self, job_id: str, recipe: Recipe = AS_THE_MODEL) -> None:
        """End a waiting job as a worker does, with the files of a result made by ``recipe``."""
        store = self.services.store
        request, attempt = store.request(job_id), store.begin_attempt(job_id, "test")
        result = make_result(recipe)
        known = {
            "job": JobPart(id=job_id, attempt=attempt.number, created_at=request.created_at),
            "request": request.named(request.dicom),
            "dicom": request.dicom,
        }
        if isinstance(request.source, UploadSource):
            known["slide"] = result.document.slide.model_copy(update={"sha256": request.source.sha256})
        document = result.document.model_copy(update=known)
        write_results(replace(result, document=document), attempt.folder)
        self._end(job_id, "succeeded", attempt, warnings=warning_codes(document), dicom=request.dicom)

    def find_no_tissue(self, job_id: str) -> None:
        """End a waiting job as a worker does that found a slide empty."""
        attempt = self.services.store.begin_attempt(job_id, "test")
        write_tissue_mask(make_result().tissue_mask & False, attempt.folder)
        self._end(job_id, "failed", attempt, error=JobError.of(NoTissueError("No tissue was found.")))

    def _end(self, job_id: str, state: str, attempt, **fields: object) -> None:
        found = {"folder": attempt.folder.name, "attempt": attempt.number, "started_at": attempt.started_at, **fields}
        assert self.services.finisher.finish(job_id, Outcome(state=state, finished_at=now(), **found))
        self.services.queue.forget(job_id)


class _Transport(httpx.BaseTransport):
    """``httpx.ASGITransport`` for a client that blocks; answers come whole."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._inner, self._portal = httpx.ASGITransport(app, client=ADDRESS), portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._handle, request)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        whole = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await self._inner.handle_async_request(whole)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(await answer.aread()))
