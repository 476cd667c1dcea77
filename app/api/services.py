"""What the routers share, made once when the application starts."""

import shutil
import threading
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from app.errors import DiskLowError, DrainingError, QueueFullError, QueueUnavailableError
from app.inference.registry import ModelRegistry
from app.jobs.intake import Intake
from app.jobs.queue import JobQueue
from app.jobs.store import JobStore
from app.keys import KeyStore
from app.settings import Settings


@dataclass(frozen=True)
class Services:
    """The API's tools. ``draining`` is set once the process was told to end."""

    settings: Settings
    store: JobStore
    queue: JobQueue
    intake: Intake
    registry: ModelRegistry
    keys: KeyStore
    draining: threading.Event = field(default_factory=threading.Event)

    def check_room(self, upload_bytes: int) -> None:
        """Whether another job can be taken: DrainingError, DiskLowError or QueueFullError before a byte is read."""
        if self.draining.is_set():
            raise DrainingError("The service is going down. Send the request again in a minute.")
        free = shutil.disk_usage(self.settings.data_dir).free
        if free - upload_bytes < self.settings.disk_free_min_bytes:
            raise DiskLowError("The server's disk is too full for this slide. Free space, or try again later.")
        if self._waiting() >= self.settings.queue_max:
            raise QueueFullError(f"{self.settings.queue_max} jobs are waiting already. Try again later.")

    def _waiting(self) -> int:
        try:
            return sum(self.queue.depth().values())
        except QueueUnavailableError:
            return sum(1 for _ in self.store.open_ids())


def services_of(request: Request) -> Services:
    """The application's services."""
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(services_of)]
