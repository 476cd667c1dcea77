"""create_app(): wires the routers. `uvicorn app.main:app`."""

import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from types import FrameType

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

from app.access.credentials import Access
from app.access.failures import FailureLimiter
from app.access.keys import KeyStore
from app.access.oidc import TokenVerifier
from app.access.sessions import SessionStore
from app.api.middleware.conditional_get import Bodiless
from app.api.middleware.local_only import Guard
from app.api.middleware.redirects import RelativeRedirects
from app.api.middleware.request_checks import RequestChecks, check_query
from app.api.middleware.request_id import RequestId
from app.api.problems import install_problem_handlers
from app.api.reference.openapi import TAGS, complete_openapi, operation_id
from app.api.reference.refusals import ANY_OTHER
from app.api.routes import (
    analyze,
    deepzoom,
    events,
    files,
    health,
    jobs,
    layers,
    metrics,
    pages,
    reports,
    rerun,
    session,
    tus,
)
from app.api.services import Services
from app.jobs.callback_credentials import CallbackCredentials
from app.settings import Settings, load_settings, prepare_data_dir
from app.system.logs import configure_logs
from app.system.periodic import Periodic
from app.system.redis import RedisConnection
from app.wiring import built

REDIS_WAIT_S = 1.0
DESCRIPTION = """
Whole-slide image analysis at 5x (2.0 µm/px): POST a slide to `/analyze`, poll the job, download the result.

Every error is a problem document (RFC 9457) with a stable `code`. **Research use: not a diagnostic device.**
The `statement` of a prediction says how far to trust it.
"""


def create_app(settings: Settings) -> FastAPI:
    """The application. Raises SetupError for settings that cannot work, such as an open address without keys."""
    prepare_data_dir(settings)
    keys = KeyStore(settings.data_dir, also_tokens=settings.oidc_issuer is not None)
    keys.check_exposure(settings.host)
    CallbackCredentials(settings).describe()  # SetupError for a file that cannot be used

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with built(settings, redis_wait_s=REDIS_WAIT_S) as parts:
            services = Services.of(parts, _access(settings, keys, parts.redis))
            app.state.services = services
            registry.register(metrics.QueueCollector(services))
            registry.register(metrics.HouseCollector(services))
            callbacks = Periodic("callbacks", services.callbacks.deliver_due, every_s=1.0, first_s=1.0)
            parts.upkeep.start()
            callbacks.start()
            _drain_on_signal(services.admission.draining)
            try:
                yield
            finally:
                services.admission.draining.set()
                for task in (parts.upkeep, callbacks):
                    await run_in_threadpool(task.stop)
                await run_in_threadpool(services.close)

    app = FastAPI(
        title="xmag-serve",
        version=version("xmag-serve"),
        description=DESCRIPTION,
        servers=[{"url": settings.public_url}] if settings.public_url else None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        openapi_tags=TAGS,
        responses=ANY_OTHER,
        dependencies=[Depends(check_query)],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.add_middleware(RequestChecks)
    app.add_middleware(Bodiless, own_head="/uploads")
    registry = metrics.install_metrics(app)
    app.add_middleware(Guard, keys=keys, public_url=settings.public_url)
    app.add_middleware(RelativeRedirects)
    app.add_middleware(RequestId)
    install_problem_handlers(app)
    for part in (session, analyze, tus, events, jobs, rerun, files, deepzoom, layers, reports, health, metrics, pages):
        app.include_router(part.router)
    pages.install_static(app)
    complete_openapi(app)
    return app


def _access(settings: Settings, keys: KeyStore, redis: RedisConnection) -> Access:
    return Access(
        keys,
        TokenVerifier(settings, settings.oidc_issuer) if settings.oidc_issuer is not None else None,
        FailureLimiter(settings.auth_failures_max),
        SessionStore(redis, keys, settings.session_hours),
    )


def _drain_on_signal(draining: threading.Event) -> None:
    """Event streams end as soon as the process is told to: the server waits for connections to close first."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def drain(sig: int, frame: FrameType | None, before: object = before) -> None:
            draining.set()
            if callable(before):
                before(sig, frame)

        signal.signal(number, drain)


def __getattr__(name: str) -> FastAPI:
    """`app` is made when it is asked for, so that importing this module reads no environment."""
    if name == "app":
        settings = load_settings()
        configure_logs(settings.log_level, settings.log_format)
        return create_app(settings)
    raise AttributeError(name)
