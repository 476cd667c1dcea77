"""A worker as a process of its own."""

import signal

import structlog

from app.errors import ModelError, SetupError
from app.jobs.worker.context import Shared
from app.jobs.worker.slot import ModelBrokenError
from app.jobs.worker.worker import Worker
from app.run.supervisor import EXIT_SETUP
from app.settings import Settings
from app.system.process import end_now, give_way
from app.wiring import Parts, built

log = structlog.stdlib.get_logger("xmag.worker")
NICENESS = 10


def new_worker(parts: Parts) -> Worker:
    """A worker made of ``parts``."""
    shared = Shared(
        parts.settings,
        parts.store,
        parts.queue,
        finisher=parts.finisher,
        copies=parts.copies,
        registry=parts.registry,
    )
    return Worker(shared)


def run_worker(settings: Settings) -> None:
    """Work until SIGTERM. A second SIGTERM requeues the running jobs at once. SetupError for an unusable set-up."""
    try:
        _run(settings)
    except ModelBrokenError as broken:
        # A GPU's library may abort or hang while it cleans up after the error that broke the model.
        log.critical("process.cannot_run", code=broken.code, reason=broken.message)
        end_now(EXIT_SETUP)
    except ModelError as error:
        raise SetupError(error.message) from error  # starting again would not help


def _run(settings: Settings) -> None:
    with built(settings) as parts:
        if not give_way(NICENESS):  # polls and uploads are answered first
            log.warning("worker.priority_unchanged")
        worker = new_worker(parts)
        asked = iter([worker.stop])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: next(asked, worker.hurry)())
        parts.upkeep.start()
        try:
            worker.run()
        finally:
            parts.upkeep.stop()
