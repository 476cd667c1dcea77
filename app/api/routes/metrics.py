"""Prometheus metrics of the API process and of the queue."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.auth import Reader
from app.api.reference.openapi_parts import content
from app.api.reference.refusals import ACCESS, responses
from app.api.services import Services
from app.errors import QueueUnavailableError
from app.jobs.queue.counters import WAIT_BOUNDS_S, read_tally
from app.jobs.queue.presence import live_workers

router = APIRouter(tags=["health"])


class QueueCollector(Collector):
    """Looked up when asked for: queue depth by priority, live workers, and the workers' own tallies."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """The families; `xmag_queue_up` alone while Redis does not answer."""
        queue = self._services.queue
        up = GaugeMetricFamily("xmag_queue_up", "1 when Redis answers")
        try:
            depth, workers, tally = queue.depth(), live_workers(queue.redis), read_tally(queue.redis)
        except QueueUnavailableError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        jobs = GaugeMetricFamily("xmag_queue_jobs", "jobs waiting or running", labels=["priority"])
        for priority, count in depth.items():
            jobs.add_metric([priority], count)
        yield jobs
        alive = GaugeMetricFamily("xmag_workers", "workers with a warm model")
        alive.add_metric([], len(workers))
        yield alive
        outcomes = CounterMetricFamily(
            "xmag_jobs_over", "jobs ended, by state and error code", labels=["state", "code"]
        )
        for (state, code), count in tally.outcomes.items():
            outcomes.add_metric([state, code], count)
        yield outcomes
        stages = CounterMetricFamily("xmag_stage_seconds", "seconds spent by stage of succeeded jobs", labels=["stage"])
        for stage, seconds in tally.stage_seconds.items():
            stages.add_metric([stage], seconds)
        yield stages
        tiles = CounterMetricFamily("xmag_tiles", "tiles embedded by succeeded jobs")
        tiles.add_metric([], tally.tiles)
        yield tiles
        filled = CounterMetricFamily("xmag_batch_tiles", "tiles in the batches computed, also of jobs that failed")
        filled.add_metric([], tally.batch_tiles)
        yield filled
        slots = CounterMetricFamily("xmag_batch_slots", "places for tiles in the batches computed")
        slots.add_metric([], tally.batch_room)
        yield slots
        split = CounterMetricFamily("xmag_batches_split", "batches split because the device had no memory for them")
        split.add_metric([], tally.batches_split)
        yield split
        attempts = CounterMetricFamily(
            "xmag_attempts", "attempts begun; repeated: after one that ended without an outcome", labels=["repeated"]
        )
        for is_repeated, count in tally.attempts.items():
            attempts.add_metric(["true" if is_repeated else "false"], count)
        yield attempts
        waits = HistogramMetricFamily(
            "xmag_wait_seconds", "seconds from acceptance to the first attempt", labels=["priority"]
        )
        for priority, found in tally.waits.items():
            reached = zip(map(floatToGoString, WAIT_BOUNDS_S), accumulate(found.counts), strict=True)
            waits.add_metric([priority], list(reached), found.seconds)
        yield waits


class HouseCollector(Collector):
    """Looked up at each request: free disk space, and the results of callbacks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """The families."""
        settings, sent = self._services.settings, self._services.callbacks.sent
        free = GaugeMetricFamily("xmag_disk_free_bytes", "free disk space for the data; absent if unknown")
        with suppress(OSError):
            free.add_metric([], shutil.disk_usage(settings.data_dir).free)
        yield free
        least = GaugeMetricFamily("xmag_disk_free_min_bytes", "below it slides are refused and no job starts")
        least.add_metric([], settings.disk_free_min_bytes)
        yield least
        callbacks = CounterMetricFamily("xmag_callbacks", "callbacks sent, by result", labels=["result"])
        for result, count in sent.items():
            callbacks.add_metric([result], count)
        yield callbacks


class RequestMetrics:
    """ASGI middleware: counts and times requests by route template (never by path: ids and names stay out)."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.requests = Counter(
            "xmag_http_requests", "requests by route and status", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "xmag_http_request_seconds", "time to the end of the response", ["method", "route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        start = time.perf_counter()
        try:
            await self.app(scope, receive, watch)
        finally:
            route = scope.get("route")
            name = getattr(route, "path", "unmatched")
            method = scope["method"] if scope["method"] in {"GET", "POST", "PATCH", "DELETE", "HEAD"} else "OTHER"
            self.requests.labels(method, name, str(status)).inc()
            self.seconds.labels(method, name).observe(time.perf_counter() - start)


def install_metrics(app: FastAPI) -> CollectorRegistry:
    """A registry of this application's own, with the middleware that fills it."""
    registry = CollectorRegistry()
    app.add_middleware(RequestMetrics, registry=registry)
    app.state.metrics = registry
    return registry


@router.get(
    "/metrics",
    response_class=Response,
    summary="Prometheus metrics",
    operation_id="get_metrics",
    responses={**content("text/plain"), **responses(*ACCESS)},
)
def metrics(request: Request, _: Reader) -> Response:
    """Text exposition format."""
    return Response(generate_latest(request.app.state.metrics), media_type=CONTENT_TYPE_LATEST)
