"""The API in the test's own process: every layer but sockets and processes, so that a debugger stops in a route.

What needs a process of its own (signals, logs, a worker that is killed) takes ``tests.service.Service``.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from app.api.services import Services
from app.main import create_app
from app.settings import Settings
from tests.service import ROOT, Requests

ADDRESS = ("127.0.0.1", 50000)


class InProcess(Requests):
    """An application, its services, and a client to ask it. No worker: jobs wait, or a test ends them."""

    def __init__(self, data_dir: Path, redis_url: str, **settings: object) -> None:
        self.data_dir, self.lines = data_dir, list[str]()
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
        transport = _Transport(self.app, portal)
        self.http = self._open.enter_context(httpx.Client(transport=transport, base_url="http://127.0.0.1:8000"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._open.close()


class _Transport(httpx.BaseTransport):
    """``httpx.ASGITransport`` for a client that blocks; answers come whole."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._inner, self._portal = httpx.ASGITransport(app, client=ADDRESS), portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._handle, request)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        whole = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await self._inner.handle_async_request(whole)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())
