"""Builds every part of the service once, from its settings: for the API, the worker, commands and tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.access.audit import AuditLog
from app.inference.registry import ModelRegistry
from app.jobs.finish import Finisher
from app.jobs.intake.fetched import Copies
from app.jobs.intake.uploads import UploadStore
from app.jobs.queue.embedded import queue_address
from app.jobs.queue.queue import JobQueue
from app.jobs.upkeep.erase import Eraser
from app.jobs.upkeep.reconcile import INTERVAL_S, Reconciler
from app.jobs.upkeep.retention import Retention
from app.objects.store import ObjectStore
from app.records.idempotency import Claims
from app.records.store import JobStore
from app.settings import Settings, prepare_data_dir
from app.system.periodic import Periodic
from app.system.redis import RedisConnection


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What API and workers have in common. ``upkeep`` calls ``reconciler`` once it is started."""

    settings: Settings
    redis: RedisConnection
    queue: JobQueue
    store: JobStore
    claims: Claims
    audit: AuditLog
    finisher: Finisher
    eraser: Eraser
    objects: ObjectStore
    uploads: UploadStore
    copies: Copies
    registry: ModelRegistry
    reconciler: Reconciler
    upkeep: Periodic


@contextmanager
def built(settings: Settings, *, redis_wait_s: float = 5.0) -> Iterator[Parts]:
    """The parts, for this block. Where the settings name no Redis, the data folder's own runs during it.

    Call it from the main thread: that server ends with it. SetupError for a folder or server that cannot be used.
    """
    prepare_data_dir(settings)
    url, embedded = queue_address(settings)
    redis = RedisConnection(url, redis_wait_s)
    try:
        yield parts_of(settings, redis)
    finally:
        redis.close()
        if embedded is not None:
            embedded.stop()


def parts_of(settings: Settings, redis: RedisConnection) -> Parts:
    """The parts on a connection that the caller closes."""
    queue, store = JobQueue(redis, settings.lease_s), JobStore(settings.jobs_dir)
    audit, claims = AuditLog(settings.data_dir), Claims(settings.data_dir / "idempotency")
    finisher = Finisher(store, queue, audit)
    eraser = Eraser(store, claims, audit, finisher)
    objects = ObjectStore(settings)
    uploads = UploadStore(settings.uploads_dir, settings.uploads_keep_hours)
    copies = Copies(settings, objects)
    reconciler = Reconciler(store, queue, finisher, Retention(settings, store, uploads, eraser), copies)
    return Parts(
        settings=settings,
        redis=redis,
        queue=queue,
        store=store,
        claims=claims,
        audit=audit,
        finisher=finisher,
        eraser=eraser,
        objects=objects,
        uploads=uploads,
        copies=copies,
        registry=ModelRegistry(settings.models_dir),
        reconciler=reconciler,
        upkeep=Periodic("reconciler", reconciler.turn, every_s=INTERVAL_S),
    )
