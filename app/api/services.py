"""What the routers share, made once when the application starts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ParamSpec, Self, TypeVar, cast

import structlog
from fastapi import Depends, Request

from app.access.audit import AuditLog, ViewLog
from app.access.credentials import Access
from app.access.cursors import Cursors
from app.api.body.upload_turns import Turns
from app.api.feed import JobFeed
from app.api.viewing import Viewing
from app.errors import NoModelError
from app.inference.registry import ModelRegistry
from app.jobs.admission import Admission
from app.jobs.callbacks import Callbacks
from app.jobs.finish import Finisher
from app.jobs.intake.intake import PROBES, Intake
from app.jobs.intake.kept_slide import check_whole, link_slide
from app.jobs.intake.source import resolve_source
from app.jobs.intake.unpack import ReceivedFile
from app.jobs.intake.uploads import UploadStore
from app.jobs.queue.queue import JobQueue
from app.jobs.upkeep.erase import Eraser
from app.objects.store import ObjectStore
from app.records.record import Holder, JobRequest, PathSource, UploadSource
from app.records.store import JobStore
from app.settings import Settings
from app.slides.types import SlideInfo
from app.system.places import Places
from app.system.shares import Shares
from app.viewer.viewer import Viewer
from app.wiring import Parts

log = structlog.stdlib.get_logger("xmag.api")
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
    turns: Turns = field(default_factory=Turns)
    _intake_threads: Places = field(default_factory=lambda: Places(INTAKE_THREADS))
    _archive_threads: Places = field(default_factory=lambda: Places(ARCHIVE_THREADS))
    _probes: Places = field(default_factory=lambda: Places(PROBES))
    _archive_probes: Places = field(default_factory=lambda: Places(PROBES))
    _drawing: Places = field(default_factory=lambda: Places(DRAWINGS))
    _lists: Places = field(default_factory=lambda: Places(LISTS))

    @classmethod
    def of(cls, parts: Parts, access: Access) -> Self:
        """The tools that ``parts`` make."""
        settings, store, queue = parts.settings, parts.store, parts.queue
        callbacks, viewer = Callbacks(settings, store), Viewer(settings, store)
        intake = Intake(settings, store, queue, audit=parts.audit, claims=parts.claims, callbacks=callbacks)
        return cls(
            settings=settings,
            access=access,
            admission=Admission(settings, store, queue),
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
            uploads=parts.uploads,
            viewer=viewer,
            viewing=Viewing(viewer, settings.viewer_readers),
        )

    def close(self) -> None:
        """End the processes that probe and show slides."""
        self.intake.close()
        self.viewer.close()

    async def in_intake(self, holder: Holder, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what writes, unpacks and probes in threads of its own: a slow disk must not stop the polls."""
        return await self._intake_threads.run(holder, function, *args, **kwargs)

    async def received(self, holder: Holder, file: ReceivedFile, mpp: float | None) -> tuple[UploadSource, SlideInfo]:
        """Unpack a file that was received, and probe it. The archive's and the slide's typed errors."""
        path = await self.in_intake(holder, self.intake.unpack, file)
        probe = await self._probes.run(holder, self.intake.probe_received, path.resolve(), mpp)
        return await self.in_intake(holder, self.intake.uploaded, file, path, probe), probe.info

    async def kept(self, holder: Holder, request: JobRequest, folder: Path, mpp: float | None) -> SlideInfo:
        """Link an earlier job's uploaded slide into ``folder``, and probe it. SlideGoneError, the slide's errors."""
        path = await self.in_intake(holder, link_slide, self.store, request, folder)
        probe = await self._probes.run(holder, self.intake.probe_received, path, mpp)
        await self.in_intake(holder, check_whole, request, probe.files)
        return probe.info

    async def by_path(self, holder: Holder, path: str, mpp: float | None) -> tuple[PathSource, SlideInfo]:
        """Find and probe a slide given by path, in separate threads: a hanging share must not stop uploads."""
        real = await self._archive_threads.run(holder, resolve_source, path, self.settings)
        return await self._archive_probes.run(holder, self.intake.by_path, real, mpp)

    async def in_lists(self, holder: Holder, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a read of many jobs' records, limited so that endless listing cannot stop polls."""
        return await self._lists.run(holder, function, *args, **kwargs)

    async def in_drawing(self, holder: Holder, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Draw images and reports, a few at a time, because large slides take memory."""
        return await self._drawing.run(holder, function, *args, **kwargs)

    def model_for(self, named: str | None) -> str:
        """The model of a request that names ``named``; errors as ``ModelRegistry.default``.

        The message of NoModelError names no folder; the log does.
        """
        try:
            return self.registry.default(named, self.settings.model)
        except NoModelError as error:
            log.error("no usable model", reason=error.message)
            raise NoModelError(NO_MODEL) from error


async def services_of(request: Request) -> Services:
    """The application's services. A coroutine, as is all that never blocks: a thread for it would cost a poll dear."""
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(services_of)]
