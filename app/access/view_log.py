"""Who looks at which slide, for the audit log: once for a while, not once a tile."""

import threading
import time
from collections import OrderedDict

from app.access.audit import Actor, AuditLog, Event
from app.records.record import JobRequest

AGAIN_S = 15 * 60.0
LOOKS_MAX = 4096


class Looks:
    """Writes ``slide.view`` before the first pixel is sent, and again after a quarter of an hour. Thread-safe."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._noted: OrderedDict[tuple[Actor, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, actor: Actor, request: JobRequest) -> None:
        """``actor`` looks at the job's slide. DiskLowError when it cannot be written down."""
        key, moment = (actor, request.id), time.monotonic()
        with self._lock:  # held while writing: nobody's tile overtakes the entry
            noted = self._noted.get(key)
            if noted is not None and moment - noted < AGAIN_S:
                return
            self._audit.append(Event("slide.view", actor, request.id, request.tenant))
            self._noted[key] = moment
            self._noted.move_to_end(key)
            while len(self._noted) > LOOKS_MAX:
                self._noted.popitem(last=False)
