"""What is wrong with a request, a job, or the machine they run on."""

from app.errors.base import XmagError


class RequestInvalidError(XmagError):
    """A field is missing, unknown or out of range."""

    code = "request_invalid"
    status = 422
    origin = "user"


class NotHttpError(XmagError):
    """The bytes received are not an HTTP/1.1 request."""

    code = "bad_request"
    status = 400
    origin = "user"


class CallbackNotAllowedError(XmagError):
    """callback_url names a host that this server may not call."""

    code = "callback_not_allowed"
    status = 422
    origin = "user"


class IdempotencyKeyReusedError(XmagError):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"
    status = 422
    origin = "user"


class JobNotFoundError(XmagError):
    """No job of that id."""

    code = "job_not_found"
    status = 404
    origin = "user"


class LayerNotFoundError(XmagError):
    """The result does not offer that layer or picture."""

    code = "layer_not_found"
    status = 404
    origin = "user"


class RecordUnreadableError(XmagError):
    """A job's record was damaged, or written by another version."""

    code = "record_unreadable"


class JobErasedError(XmagError):
    """The job was erased."""

    code = "job_erased"
    status = 410
    origin = "user"


class ResultNotReadyError(XmagError):
    """The job has no result: it failed or was cancelled (``cause``: its code)."""

    code = "result_not_ready"
    status = 409
    origin = "user"


class ResultPendingError(ResultNotReadyError):
    """The job is not over: it may have a result later."""

    retryable = True


class QueueFullError(XmagError):
    """As many jobs wait, or uploads come in, as the service accepts."""

    code = "queue_full"
    status = 429
    retryable = True


class DrainingError(XmagError):
    """The service is going down."""

    code = "draining"
    status = 503
    retryable = True


class DiskLowError(XmagError):
    """Too little free space to accept a slide."""

    code = "disk_low"
    status = 503
    retryable = True


class QueueUnavailableError(XmagError):
    """Redis does not answer."""

    code = "queue_unavailable"
    status = 503
    retryable = True


class CancelledError(XmagError):
    """The job was cancelled."""

    code = "cancelled"
    status = 409
    origin = "user"


class DeadlineExceededError(XmagError):
    """The job took longer than allowed."""

    code = "deadline_exceeded"
    status = 504


class AttemptsExhaustedError(XmagError):
    """The job was tried as often as allowed and never finished."""

    code = "attempts_exhausted"


class UnauthenticatedError(XmagError):
    """No key or token, or one that is not valid here."""

    code = "unauthenticated"
    status = 401
    origin = "user"


class ForbiddenError(XmagError):
    """The key (or the page that sent the request) may not do that."""

    code = "forbidden"
    status = 403
    origin = "user"


class TooManyFailuresError(XmagError):
    """Too many refused credentials from one address."""

    code = "too_many_failures"
    status = 429
    origin = "user"
    retryable = True


class IdentityUnavailableError(XmagError):
    """The OpenID provider does not give its keys."""

    code = "identity_unavailable"
    status = 503
    retryable = True


class SetupError(XmagError):
    """The installation cannot run as configured."""

    code = "setup_invalid"
