"""What the routers share, made once when the application starts."""

import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from app.api.failures import FailureLimiter
from app.api.feed import JobFeed
from app.api.looks import Looks
from app.api.oidc import TokenVerifier
from app.api.sessions import SessionStore
from app.api.turns import Turns
from app.audit import AuditLog
from app.errors import DiskLowError, DrainingError, QueueFullError, QueueUnavailableError
from app.inference.registry import ModelRegistry
from app.jobs.erase import Eraser
from app.jobs.intake import Intake
from app.jobs.queue import JobQueue
from app.jobs.store import JobStore
from app.jobs.uploads import UploadStore
from app.jobs.viewer import Viewer
from app.keys import KeyStore
from app.objects.store import ObjectStore
from app.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
INTAKE_THREADS = ARCHIVE_THREADS = VIEWER_THREADS = 16


@dataclass
class Services:
    """The API's tools. ``draining`` is set once the process was told to end."""

    settings: Settings
    store: JobStore
    queue: JobQueue
    intake: Intake
    registry: ModelRegistry
    keys: KeyStore
    tokens: TokenVerifier | None
    failures: FailureLimiter
    sessions: SessionStore
    audit: AuditLog
    eraser: Eraser
    uploads: UploadStore
    viewer: Viewer
    looks: Looks
    feed: JobFeed
    objects: ObjectStore
    turns: Turns = field(default_factory=Turns)
    draining: threading.Event = field(default_factory=threading.Event)
    _expected_bytes: int = 0
    _uploads: int = 0
    _intake_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(INTAKE_THREADS))
    _archive_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(ARCHIVE_THREADS))
    _viewer_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(VIEWER_THREADS))

    def in_intake(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Run what writes, unpacks and probes in threads of its own: a slow disk must not stop the polls."""
        return to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._intake_threads)

    def in_archive(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Run what looks at slides given by path in threads of its own: a share that hangs must not stop uploads."""
        return to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._archive_threads)

    def in_viewer(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Run what reads pixels in threads of its own: somebody who pans a slide must not stop the polls."""
        return to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._viewer_threads)

    def check_room(self) -> None:
        """Whether another job can be taken: DrainingError or QueueFullError before a byte is read."""
        if self.draining.is_set():
            raise DrainingError("The service is going down. Send the request again in a minute.")
        if self._waiting() >= self.settings.queue_max:
            raise QueueFullError(f"{self.settings.queue_max} jobs are waiting already. Try again later.")

    @contextmanager
    def room_for(self, upload_bytes: int) -> Iterator[None]:
        """Keep ``upload_bytes`` of the disk for one upload.

        DiskLowError when the others leave too little, QueueFullError when there are too many of them.
        """
        if self._uploads >= self.settings.uploads_max:
            raise QueueFullError(f"{self.settings.uploads_max} slides are being uploaded already. Try again later.")
        self.check_disk(upload_bytes)
        self._expected_bytes += upload_bytes
        self._uploads += 1
        try:
            yield
        finally:
            self._expected_bytes -= upload_bytes
            self._uploads -= 1

    def check_disk(self, slide_bytes: int) -> None:
        """DiskLowError where a slide of that size would not fit beside the uploads that come in."""
        free = shutil.disk_usage(self.settings.data_dir).free
        if free - self._expected_bytes - slide_bytes < self.settings.disk_free_min_bytes:
            raise DiskLowError("The server's disk is too full for this slide. Free space, or try again later.")

    def _waiting(self) -> int:
        try:
            return sum(self.queue.depth().values())
        except QueueUnavailableError:
            return sum(1 for _ in self.store.open_ids())


async def services_of(request: Request) -> Services:
    """The application's services. A coroutine, as is all that never blocks: a thread for it would cost a poll dear."""
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(services_of)]
