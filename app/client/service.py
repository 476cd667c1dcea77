"""A service as its client sees it: requests that are sent again while it restarts, is full, or is out of reach."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from app.client.retry import Backoff, OutOfPatienceError

PASSING: Final = frozenset({408, 423, 429, 502, 503, 504})
"""Statuses that another try may change: stalled, still locked, full, behind a proxy, draining, too slow."""
_NOT_ALLOWED: Final = frozenset({401, 403})
_OF_THE_SLIDE: Final = frozenset({"object_not_allowed"})
"""What is refused with such a status for where a slide lies: the next one may be taken."""
TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)


class RefusedError(Exception):
    """The service answered no. ``code`` is the problem document's, or ``http_<status>``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class NotAllowedError(RefusedError):
    """The key is missing, wrong, or may not do that: no other request will fare better."""


@dataclass(frozen=True)
class Job:
    """A job as the service reports it. ``has_result``: there is a result, and the key may read it."""

    id: str
    state: str
    stage: str
    fraction: float
    code: str
    message: str
    again_after_s: float
    has_result: bool

    @property
    def is_over(self) -> bool:
        """Whether it will change no more."""
        return self.state in {"succeeded", "failed", "cancelled"}


class Service:
    """Requests to one service. ``patience_s``: how long it may fail to answer before OutOfPatienceError."""

    def __init__(self, url: str, key: str | None, patience_s: float) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT)
        self.patience_s = patience_s
        self._backoff = Backoff(patience_s)

    def close(self) -> None:
        """Let go of connections."""
        self.http.close()

    def check_reach(self) -> None:
        """Whether there is such a service, without patience; one that is resting will do.

        OutOfPatienceError; RefusedError where something else answers.
        """
        try:
            answer = self.http.get("/v2/health/live")
        except httpx.TransportError as error:
            raise OutOfPatienceError(str(error) or type(error).__name__) from error
        if answer.status_code in PASSING:
            return
        if not _content(checked(answer)).get("live"):
            raise _not_ours(answer)

    def insist(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """``ask`` until it is answered for good. RefusedError when the answer is no; OutOfPatienceError.

        Patience is one for all that is asked: it begins anew with an answer, not with the next question.
        """
        while True:
            try:
                answer = ask()
            except httpx.TransportError as error:
                self._backoff.wait(None, str(error) or type(error).__name__)
                continue
            if answer.status_code not in PASSING:
                self._backoff.reset()
                return checked(answer)
            self._backoff.wait(_retry_after(answer), f"the service answers {answer.status_code}")

    def job(self, job_id: str) -> Job:
        """The job now."""
        answer = self.insist(lambda: self.http.get(f"/jobs/{job_id}"))
        return as_job(answer)

    def result(self, job_id: str) -> dict[str, Any]:
        """The result of a job that succeeded."""
        return _content(self.insist(lambda: self.http.get(f"/jobs/{job_id}/result")))


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is one of success. RefusedError, NotAllowedError."""
    if answer.is_success:
        return answer
    kind = NotAllowedError if answer.status_code in _NOT_ALLOWED else RefusedError
    try:
        problem = answer.json()
        if problem["code"] in _OF_THE_SLIDE:
            kind = RefusedError
        raise kind(answer.status_code, str(problem["code"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        said = f"The service answers {answer.status_code} {answer.reason_phrase}."
        raise kind(answer.status_code, f"http_{answer.status_code}", said) from None


def as_job(answer: httpx.Response) -> Job:
    """The job in an answer. RefusedError where there is none."""
    found = _content(answer)
    try:
        progress, error = found["progress"] or {}, found["error"] or {}
        return Job(
            id=found["id"],
            state=found["state"],
            stage=progress.get("stage", ""),
            fraction=progress.get("fraction", 0.0),
            code=error.get("code", ""),
            message=error.get("message", ""),
            again_after_s=_retry_after(answer) or 2.0,
            has_result="result" in found["links"],
        )
    except (KeyError, AttributeError, TypeError) as trouble:
        raise _not_ours(answer) from trouble


def _content(answer: httpx.Response) -> dict[str, Any]:
    """A page of a proxy's may come with a status of success: RefusedError."""
    try:
        found = answer.json()
    except ValueError as error:
        raise _not_ours(answer) from error
    if not isinstance(found, dict):
        raise _not_ours(answer)
    return found


def _not_ours(answer: httpx.Response) -> RefusedError:
    return RefusedError(answer.status_code, "not_xmag", "The server at that address is not xmag-serve.")


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None
