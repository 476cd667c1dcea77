"""The worker: one model, loaded and warm, one device, and a slot for each job that it works on at a time."""

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import structlog

from app.errors import QueueUnavailableError
from app.jobs.queue.presence import WorkerPresence, announce, withdraw
from app.jobs.worker.context import GUESTS, Shared
from app.jobs.worker.device_watch import LOOK_S, DeviceWatch
from app.jobs.worker.slot import Slot, new_name
from app.system.heartbeat import Heartbeat
from app.system.periodic import Periodic

log = structlog.stdlib.get_logger("xmag.worker")


class Worker:
    """Runs until ``stop`` is called (or the process gets SIGTERM, see app.run.worker_process)."""

    def __init__(self, shared: Shared) -> None:
        self.name = new_name()
        self.shared, self._settings, self._queue = shared, shared.settings, shared.queue
        self._slots = [Slot(self.shared) for _ in range(self.shared.jobs_at_once)]
        self._slots += [Slot(self.shared, guest) for guest in GUESTS]
        self._watch = DeviceWatch(self.shared)

    def stop(self) -> None:
        """Take no new job; running jobs have ``drain_s`` to finish before they are requeued."""
        self.shared.stop()

    def hurry(self) -> None:
        """Requeue the running jobs now."""
        self.shared.hurry()

    def run(self) -> None:
        """Load the default model, then work until stopped. Raises what makes the set-up unusable."""
        stopping, default = self.shared.stopping, self.shared.registry.default(None, self._settings.model)
        model = self.shared.model(default)
        presence = WorkerPresence(
            self.name, default, model.manifest.version, precision=model.precision, provider=model.provider
        )
        heartbeat = Heartbeat(self._settings.heartbeat_dir, self.name) if self._settings.heartbeat_dir else None
        beat = threading.Thread(target=self._announce, args=(presence, heartbeat), name="presence", daemon=True)
        beat.start()
        looking = Periodic("device", self._watch.look, every_s=LOOK_S)
        looking.start()
        log.info(
            "worker.ready",
            worker=self.name,
            model=default,
            provider=model.provider,
            precision=model.precision,
            jobs=self.shared.jobs_at_once,
        )
        try:
            self._work()
        finally:
            self.shared.close()
            stopping.set()
            beat.join()
            looking.stop()
            if heartbeat is not None:
                heartbeat.end()
            try:
                for slot in self._slots:
                    self._queue.leave(slot.name)
                withdraw(self._queue.redis, self.name)
            except QueueUnavailableError as error:
                log.warning("queue.unavailable", during="withdraw", reason=error.message)
        log.info("worker.ended", worker=self.name)

    def _work(self) -> None:
        """All slots until they stop. The first error makes the others requeue their jobs, and is raised."""
        tasks = [*(slot.run for slot in self._slots), self._watch.prove]
        with ThreadPoolExecutor(len(tasks), thread_name_prefix="slot") as threads:
            running = [threads.submit(task) for task in tasks]
            wait(running, return_when=FIRST_EXCEPTION)
            if not self.shared.stopping.is_set():
                self.hurry()
        for ended in running:
            ended.result()

    def _announce(self, presence: WorkerPresence, heartbeat: Heartbeat | None) -> None:
        valid_s = max(self._settings.lease_s, 3.0)
        while not self.shared.stopping.is_set():
            try:
                if all(slot.is_turning for slot in self._slots):
                    announce(self._queue.redis, presence, valid_s)
                    if heartbeat is not None:  # only now: a worker without a queue is not well
                        heartbeat.beat(valid_s)
            except QueueUnavailableError as error:
                log.warning("queue.unavailable", during="announce", reason=error.message)
            except OSError as error:
                log.warning("heartbeat.not_written", reason=error.strerror)
            self.shared.stopping.wait(max(self._settings.lease_s / 3, 0.5))
