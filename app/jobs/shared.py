"""What the slots of a worker share: settings, store, queue, copies, models, the device, readers, and when to stop."""

import math
import threading
import time

from app.inference.cores import available_cores
from app.inference.device import Device
from app.inference.model import Model, load_model
from app.inference.registry import ModelRegistry
from app.jobs.copies import Copies
from app.jobs.in_hand import InHand
from app.jobs.queue import JobQueue
from app.jobs.store import JobStore
from app.settings import Settings
from app.slides.pool import ReaderPool
from app.slides.reader import ReaderLimits

JOBS_LEAST, JOBS_MOST = 2, 8


def jobs_for(cores: int) -> int:
    """How many jobs at a time keep so many cores reading: each reads on one, and as many are left to what embeds."""
    return min(max(cores // 2, JOBS_LEAST), JOBS_MOST)


class Shared:
    """Thread-safe."""

    def __init__(self, settings: Settings, store: JobStore, queue: JobQueue) -> None:
        self.settings, self.store, self.queue = settings, store, queue
        self.stopping = threading.Event()
        self.copies = Copies(settings)
        self.registry = ModelRegistry(settings.models_dir)
        self.jobs_at_once = settings.jobs_per_worker or jobs_for(available_cores())
        self.device = Device()
        self.in_hand = InHand(store)
        self.readers = ReaderPool(
            size=self.jobs_at_once,
            limits=ReaderLimits(memory_bytes=settings.reader_memory_bytes, cpu_s=settings.reader_cpu_s),
        )
        self._asked_at: float | None = None
        self._loading = threading.Lock()
        self._models: dict[str, Model] = {}

    def stop(self) -> None:
        """Take no new job; those in hand have ``drain_s`` to finish before they are handed back."""
        self._asked_at = self._asked_at or time.monotonic()
        self.stopping.set()

    def hurry(self) -> None:
        """Hand the jobs in hand back now."""
        self._asked_at = -math.inf
        self.stopping.set()

    def must_stop(self) -> bool:
        """Whether the time to finish is over."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > self.settings.drain_s

    def model(self, name: str) -> Model:
        """The model, loaded and warm. Raises as ``load_model`` does."""
        with self._loading:
            if name not in self._models:
                settings = self.settings
                model = load_model(
                    self.registry.folder(name),
                    device=settings.device,
                    precision=settings.precision,
                    threads=settings.threads,
                )
                model.warm_up()
                self._models[name] = model
            return self._models[name]

    def check_models(self) -> None:
        """InferenceFailedError if one no longer computes rightly."""
        with self._loading:
            models = list(self._models.values())
        for model in models:
            model.check()

    def close(self) -> None:
        """Kill readers, end the device's thread."""
        self.readers.close()
        self.device.close()
