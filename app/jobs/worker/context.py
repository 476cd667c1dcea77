"""What the slots of a worker share: settings, store, queue, copies, models, the device, readers, and when to stop."""

import math
import threading
import time
from collections.abc import Callable

import structlog

from app.analysis.installed_model import installed_model
from app.errors import ModelError
from app.from_settings import reader_limits
from app.inference.cores import available_cores
from app.inference.device import Device
from app.inference.model import Model
from app.inference.registry import ModelRegistry
from app.jobs.finish import Finisher
from app.jobs.intake.fetched import Copies
from app.jobs.queue.queue import Guest, JobQueue
from app.jobs.worker.in_hand import InHand
from app.records.store import JobStore
from app.settings import Settings
from app.slides.sandbox.pool import ReaderPool

log = structlog.stdlib.get_logger("xmag.worker")
JOBS_LEAST, JOBS_MOST = 2, 8
GUESTS: tuple[Guest, ...] = ("tenant", "holder")
"""Extra slots for those who would otherwise wait for somebody's long jobs."""


def jobs_for(cores: int) -> int:
    """How many jobs at a time keep so many cores reading: each reads on one, and as many are left to what embeds."""
    return min(max(cores // 2, JOBS_LEAST), JOBS_MOST)


class Shared:
    """Thread-safe. ``clock``: seconds that only ever rise."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        queue: JobQueue,
        *,
        finisher: Finisher,
        copies: Copies,
        registry: ModelRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.store, self.queue = settings, store, queue
        self.finisher, self.copies, self.registry = finisher, copies, registry
        self.clock = clock
        self.stopping = threading.Event()
        self.jobs_at_once = settings.jobs_per_worker or jobs_for(available_cores())
        self.device = Device()
        self.in_hand = InHand(store)
        self.readers = ReaderPool(
            size=self.jobs_at_once + len(GUESTS),
            limits=reader_limits(settings),
        )
        self._asked_at: float | None = None
        self._loading = threading.Lock()
        self._models: dict[str, Model] = {}

    @property
    def is_full(self) -> bool:
        """Whether all slots are taken, guest slots aside."""
        return self.in_hand.count >= self.jobs_at_once

    def stop(self) -> None:
        """Take no new job; running jobs have ``drain_s`` to finish before they are requeued."""
        self._asked_at = self._asked_at or self.clock()
        self.stopping.set()

    def hurry(self) -> None:
        """Requeue the running jobs now."""
        self._asked_at = -math.inf
        self.stopping.set()

    def must_stop(self) -> bool:
        """Whether the time to finish is over."""
        return self._asked_at is not None and self.clock() - self._asked_at > self.settings.drain_s

    def model(self, name: str) -> Model:
        """The model, loaded and warm. Raises as ``load_model`` does.

        Once loaded it stays, whatever becomes of its folder: what was proven at the start goes on computing.
        """
        with self._loading:
            loaded = self._models.get(name)
            if loaded is None:
                loaded = installed_model(self.settings, self.registry.folder(name))
                loaded.warm_up()
                self._models[name] = loaded
            elif not self._is_in_its_folder(loaded):
                version = loaded.manifest.version
                log.warning("model.changed_on_disk", model=name, loaded=version)
            return loaded

    def _is_in_its_folder(self, model: Model) -> bool:
        try:
            return self.registry.manifest_sha256(model.manifest.name) == model.manifest_sha256
        except ModelError:
            return False

    def check_models(self, *, only_on_gpu: bool = False) -> None:
        """InferenceFailedError if one no longer computes its golden tile."""
        with self._loading:
            models = list(self._models.values())
        for model in models:
            if not only_on_gpu or model.embedder.limit_s is not None:
                model.check(self.device)  # by the device, where a batch that hangs is noticed

    def close(self) -> None:
        """Kill readers, end the device's threads."""
        self.readers.close()
        self.device.close()
