"""Callbacks: when a job is over, its address is told so, signed, and again until it says 2xx.

A marker ``<data>/callbacks/<id>`` is written before the 202 and removed once the notice arrived or was given up. The
result is then written to the job's folder. A callback's failure never touches its job.
"""

import hashlib
import hmac
import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from pydantic import ValidationError

from app.errors import CallbackNotAllowedError, JobErasedError, JobNotFoundError, RecordUnreadableError, SetupError
from app.jobs.callback_credentials import CallbackCredentials
from app.jobs.post import PostError, post_json
from app.records.record import FinalState, JobError, Record, dicom_of, now
from app.records.store import JobStore
from app.settings import Settings
from app.system.durable import take_lock, write_once, write_over

log = structlog.stdlib.get_logger("xmag.callback")
TURN_S = 1.0
NEVER_ACCEPTED_S = 600.0
TROUBLE_S, UNREADABLE_S = 60.0, 3600.0
"""Until a callback that met with trouble of our own is looked at again."""
PAUSES_S = (5, 30, 120, 600, 3600, 7200, 10800, 14400, 21600, 28800)  # a day in all
FILE = "callback.json"


class Marker(Record):
    """A callback that is still owed."""

    url: str
    tries: int = 0
    next_at: float = 0.0


class Notice(Record):
    """What is sent."""

    id: str
    state: FinalState
    case_id: str | None
    slide_id: str | None
    context: str | None
    error: JobError | None
    finished_at: datetime
    links: dict[str, str]


@dataclass(frozen=True)
class Signature:
    """Headers that prove sender and time: HMAC-SHA256 over ``<timestamp>.<body>`` with the shared secret."""

    secret: str

    def headers(self, body: bytes, timestamp: int) -> dict[str, str]:
        """``Xmag-Timestamp`` (seconds since 1970) and ``Xmag-Signature`` (``sha256=<hex>``)."""
        signed = f"{timestamp}.".encode() + body
        digest = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        return {"Xmag-Timestamp": str(timestamp), "Xmag-Signature": f"sha256={digest}"}


class Callbacks:
    """All callbacks of a data folder."""

    def __init__(self, settings: Settings, store: JobStore) -> None:
        self._settings, self._store = settings, store
        self._credentials = CallbackCredentials(settings)
        self._folder = settings.data_dir / "callbacks"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._rests_until: dict[str, float] = {}
        self.sent: Counter[str] = Counter({"delivered": 0, "failed": 0, "given_up": 0})
        """Tries since the start, by result."""

    def check(self, url: str) -> None:
        """CallbackNotAllowedError unless the address is http(s), its host is listed, and credentials may go there."""
        if self._settings.callback_host(url) is None:
            raise CallbackNotAllowedError(
                "callback_url must be http(s), without user name or password, and its host must be listed in "
                "XMAG_CALLBACK_HOSTS (with its port, where the list has one)."
            )
        if not self._credentials.allows(url):
            raise CallbackNotAllowedError("callback_url must begin with https://: callbacks carry credentials.")

    def promise(self, job_id: str, url: str) -> None:
        """Write the marker."""
        write_once(self._folder / job_id, Marker(url=url).model_dump_json().encode())

    def deliver_due(self) -> int:
        """Send what is due; how many notices arrived. What goes wrong with one leaves the others alone."""
        arrived = 0
        for path in [path for path in self._folder.iterdir() if not path.name.startswith(".")]:
            if time.monotonic() < self._rests_until.get(path.name, 0.0):
                continue
            self._rests_until.pop(path.name, None)
            try:
                arrived += self._deliver(path)
            except Exception:
                # A full disk, say. The notice is still owed, and so are all that come after it.
                log.exception("callback.failed_unexpectedly", job=path.name)
                self._rests_until[path.name] = time.monotonic() + TROUBLE_S
        return arrived

    def _deliver(self, path: Path) -> bool:
        try:
            self._store.request(path.name)
            if self._store.outcome(path.name) is None:
                return False
            with path.open("r+b") as file:
                if not take_lock(file, wait=False):
                    return False
                is_newest = os.path.samestat(os.fstat(file.fileno()), path.stat())
                marker = Marker.model_validate_json(file.read())
                wait_s = marker.next_at - time.time()
                if not is_newest or 0 < wait_s <= max(PAUSES_S):  # longer: it was written by a clock that ran ahead
                    return False
                return self._send(path, marker)
        except FileNotFoundError:
            pass  # another process has it, or had
        except JobNotFoundError:  # about to be accepted, or a crash kept it from being so
            if time.time() - path.stat().st_mtime > NEVER_ACCEPTED_S:
                path.unlink(missing_ok=True)
        except RecordUnreadableError:  # a newer worker's, perhaps: it is still owed
            log.error("callback.waiting", job=path.name, reason="record_unreadable")
            self._rests_until[path.name] = time.monotonic() + UNREADABLE_S
        except SetupError as error:  # a file that is being replaced, perhaps: no try is counted
            log.error("callback.waiting", job=path.name, reason=error.message)
            self._rests_until[path.name] = time.monotonic() + TROUBLE_S
        except (JobErasedError, ValidationError) as error:
            if not isinstance(error, JobErasedError):
                log.error("callback.dropped", job=path.name, reason="marker_unreadable")
            path.unlink(missing_ok=True)
        return False

    def _send(self, path: Path, marker: Marker) -> bool:
        job_id = path.name
        body = self._notice(job_id).model_dump_json().encode()
        try:
            self.check(marker.url)
            headers = Signature(self._settings.callback_secret or "").headers(body, int(time.time()))
            headers |= self._credentials.headers()
            post_json(marker.url, body, headers, self._settings.callback_timeout_s, self._credentials.tls())
        except (PostError, CallbackNotAllowedError) as error:
            tries = marker.tries + 1
            log.warning("callback.failed", job=job_id, tries=tries, reason=str(error))
            if tries > len(PAUSES_S):
                self.sent["given_up"] += 1
                self._close(path, delivered=False, tries=tries)
                return False
            self.sent["failed"] += 1
            later = marker.model_copy(update={"tries": tries, "next_at": time.time() + PAUSES_S[tries - 1]})
            write_over(path, later.model_dump_json().encode())
            return False
        self.sent["delivered"] += 1
        self._close(path, delivered=True, tries=marker.tries + 1)
        log.info("callback.delivered", job=job_id)
        return True

    def _close(self, path: Path, *, delivered: bool, tries: int) -> None:
        said = json.dumps({"delivered": delivered, "tries": tries, "at": now().isoformat()})
        try:
            write_once(self._store.folder(path.name) / FILE, said.encode())
        except OSError as error:  # it is over all the same: to send it again would be worse
            log.error("callback.result_not_saved", job=path.name, reason=str(error.strerror))
        path.unlink(missing_ok=True)

    def _notice(self, job_id: str) -> Notice:
        request, outcome = self._store.request(job_id), self._store.outcome(job_id)
        if outcome is None:
            raise JobErasedError("The job was erased before its callback.")
        base = f"{self._settings.public_url}/jobs/{job_id}"
        links, stated = {"self": base}, request.named(dicom_of(request, outcome))
        if outcome.state == "succeeded":
            links["result"] = f"{base}/result"
        return Notice(
            id=job_id,
            state=outcome.state,
            case_id=stated.case_id,
            slide_id=stated.slide_id,
            context=stated.context,
            error=outcome.error,
            finished_at=outcome.finished_at,
            links=links,
        )
