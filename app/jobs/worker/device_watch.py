"""Watches the device for a worker: a GPU may hang, and it may fail while there is nothing to compute.

A call to a GPU that hangs never returns, and nothing but the end of the process ends it. Container engines leave a
worker alone that is merely unhealthy: so it ends itself, and is started again.
"""

import os

import structlog

from app.errors import ModelError
from app.jobs.worker.context import Shared
from app.jobs.worker.lease_keeper import EXIT_STUCK
from app.jobs.worker.slot import ModelBrokenError

log = structlog.stdlib.get_logger("xmag.worker")
LOOK_S = 1.0
LOOKS = 3
"""How often in a row a batch must be overdue. A process that was itself stopped finds one overdue, but not for long."""
PROVE_IDLE_S = 60.0


class DeviceWatch:
    """For the device of one worker."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._device, self._looks = shared, shared.device, 0

    def look(self) -> None:
        """End the process if a batch does not end. Call it every ``LOOK_S``."""
        self._looks = self._looks + 1 if self._device.is_stuck() else 0
        if self._looks < LOOKS:
            return
        log.error("device.stuck")
        try:
            self._shared.in_hand.hand_back_all()
        finally:
            os._exit(EXIT_STUCK)

    def prove(self) -> None:
        """Prove the models whenever the device has been idle for ``PROVE_IDLE_S``, until the worker stops.

        ModelBrokenError ends it before that. Only for devices that may hang: a CPU proves itself by running this.
        """
        while not self._shared.stopping.wait(LOOK_S):
            if self._device.idle_s() < PROVE_IDLE_S:
                continue
            try:
                self._shared.check_models(only_on_gpu=True)
            except ModelError as error:
                log.error("model.self_test_failed", reason=error.message)
                raise ModelBrokenError(error.message) from error
