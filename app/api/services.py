"""What the routers share, made once when the application starts."""

from dataclasses import dataclass, field
from typing import Annotated, ParamSpec, Self, TypeVar, cast

from fastapi import Depends, Request

from app.access.audit import AuditLog, ViewLog
from app.access.credentials import Access
from app.access.cursors import Cursors
from app.api.feed import JobFeed
from app.api.upload_turns import Turns
from app.api.viewing import Viewing
from app.inference.registry import ModelRegistry
from app.jobs.admission import Admission
from app.jobs.callbacks import Callbacks
from app.jobs.finish import Finisher
from app.jobs.intake.intake import Intake
from app.jobs.intake.uploads import UploadStore
from app.jobs.queue.queue import JobQueue
from app.jobs.submit import Submissions
from app.jobs.threads import Threads
from app.jobs.upkeep.erase import Eraser
from app.objects.store import ObjectStore
from app.records.store import JobStore
from app.settings import Settings
from app.system.shares import Shares
from app.viewer.viewer import Viewer
from app.wiring import Parts

NO_MODEL = "No usable model in the server's models folder (XMAG_MODELS_DIR, XMAG_MODEL). Tell whoever runs it."
P = ParamSpec("P")
T = TypeVar("T")
INTAKE_THREADS = ARCHIVE_THREADS = 64
DRAWINGS = 8
LISTS = 16
EVENT_STREAMS = 1024
"""A key alone gets a quarter of each, its tenant a half (shares.py)."""


@dataclass(kw_only=True)
class Services:
    """The API's tools."""

    settings: Settings
    access: Access
    admission: Admission
    audit: AuditLog
    callbacks: Callbacks
    cursors: Cursors
    eraser: Eraser
    feed: JobFeed
    finisher: Finisher
    intake: Intake
    views: ViewLog
    objects: ObjectStore
    queue: JobQueue
    registry: ModelRegistry
    store: JobStore
    streams: Shares
    uploads: UploadStore
    viewer: Viewer
    viewing: Viewing
    submissions: Submissions
    threads: Threads
    turns: Turns = field(default_factory=Turns)

    @classmethod
    def of(cls, parts: Parts, access: Access) -> Self:
        """The tools that ``parts`` make."""
        settings, store, queue = parts.settings, parts.store, parts.queue
        callbacks, viewer = Callbacks(settings, store), Viewer(settings, store)
        intake = Intake(settings, store, queue, audit=parts.audit, claims=parts.claims, callbacks=callbacks)
        admission, threads = Admission(settings, store, queue), Threads()
        submissions = Submissions(
            settings,
            store,
            admission=admission,
            audit=parts.audit,
            intake=intake,
            objects=parts.objects,
            registry=parts.registry,
            threads=threads,
            uploads=parts.uploads,
        )
        return cls(
            settings=settings,
            access=access,
            admission=admission,
            audit=parts.audit,
            callbacks=callbacks,
            cursors=Cursors(settings.data_dir),
            eraser=parts.eraser,
            feed=JobFeed(store, queue),
            finisher=parts.finisher,
            intake=intake,
            views=ViewLog(parts.audit),
            objects=parts.objects,
            queue=queue,
            registry=parts.registry,
            store=store,
            streams=Shares(EVENT_STREAMS),
            submissions=submissions,
            threads=threads,
            uploads=parts.uploads,
            viewer=viewer,
            viewing=Viewing(viewer, settings.viewer_readers),
        )

    def close(self) -> None:
        """End the processes that probe and show slides."""
        self.intake.close()
        self.viewer.close()


async def services_of(request: Request) -> Services:
    """The application's services. A coroutine, as is all that never blocks: a thread for it would cost a poll dear."""
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(services_of)]
