"""Every error the product raises on purpose: one base, a stable code, and a sentence that says what to do.

``code`` never changes once published: other systems branch on it. ``status`` is the HTTP status of the
problem document (RFC 9457). ``origin`` says whose move it is: ``user`` (send something else) or ``system``
(our side). ``retryable`` means that the same request may succeed later without being changed.
"""

from typing import ClassVar, Literal

Origin = Literal["user", "system"]


class XmagError(Exception):
    """Base of all typed errors.

    ``details`` are extra members for the problem document: JSON values only, never a path or a patient's name.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    origin: ClassVar[Origin] = "system"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: str | int | float | bool | None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InternalError(XmagError):
    """Something went wrong that nobody foresaw; the log has the traceback."""

    retryable = True


# --- the slide ---------------------------------------------------------------------------------------------


class SlideError(XmagError):
    """The slide cannot be analysed as it is."""

    code = "slide_unusable"
    status = 422
    origin = "user"


class NotASlideError(SlideError):
    """No reader recognises the file."""

    code = "not_a_slide"
    status = 415


class SlideCorruptError(SlideError):
    """A reader recognises the file, but its data cannot be read: truncated or damaged."""

    code = "slide_corrupt"


class SlideMissingError(SlideError):
    """No file at the given path."""

    code = "slide_missing"


class EmptyUploadError(SlideError):
    """Zero bytes."""

    code = "empty_upload"


class MppMissingError(SlideError):
    """Neither request nor file nor objective power tells the resolution."""

    code = "mpp_missing"


class MppImplausibleError(SlideError):
    """Resolution outside 0.05 to 5 µm/px, or x and y more than 2 % apart."""

    code = "mpp_implausible"


class ResolutionTooLowError(SlideError):
    """The scan is coarser than the model's 2.0 µm/px can bear."""

    code = "resolution_too_low"


class NoTissueError(SlideError):
    """The tissue mask is empty."""

    code = "no_tissue"


class DecoderCrashedError(SlideError):
    """The process that decoded the slide died."""

    code = "decoder_crashed"
    retryable = True


class DecoderTimeoutError(SlideError):
    """The process that decoded the slide gave no sign of life in time."""

    code = "decoder_timeout"
    retryable = True


class ArchiveUnsafeError(SlideError):
    """A zip with links, absolute or climbing paths, too many files or an impossible ratio."""

    code = "archive_unsafe"


class ArchiveInvalidError(SlideError):
    """Not a readable zip, or a zip without a slide."""

    code = "archive_invalid"


class SlideTooManyFilesError(SlideError):
    """The slide's folder holds more files than any slide consists of."""

    code = "slide_too_many_files"


class StorageUnavailableError(XmagError):
    """The disk or share that the slide lies on does not give its bytes: the slide itself may be in order."""

    code = "storage_unavailable"
    status = 503
    retryable = True


class TooLargeError(XmagError):
    """More bytes than the service accepts."""

    code = "too_large"
    status = 413
    origin = "user"


class UploadBrokenError(XmagError):
    """The multipart body ended early or does not parse."""

    code = "upload_broken"
    status = 400
    origin = "user"
    retryable = True


class UploadStalledError(XmagError):
    """The client stopped sending."""

    code = "upload_stalled"
    status = 408
    origin = "user"
    retryable = True


class SourceChangedError(SlideError):
    """A slide given by path changed between request and analysis."""

    code = "source_changed"
    status = 409


class PathNotAllowedError(XmagError):
    """A path outside the configured roots."""

    code = "path_not_allowed"
    status = 403
    origin = "user"


# --- models ------------------------------------------------------------------------------------------------


class ModelError(XmagError):
    """The model cannot be used."""

    code = "model_unusable"


class ModelNotFoundError(ModelError):
    """No model of that name."""

    code = "model_not_found"
    status = 422
    origin = "user"


class NoSuchModelError(ModelNotFoundError):
    """The address names a model that is not there."""

    status = 404


class TaskNotFoundError(ModelError):
    """The model has no head for that task."""

    code = "task_not_found"
    status = 422
    origin = "user"


class ManifestInvalidError(ModelError):
    """manifest.json breaks its schema."""

    code = "manifest_invalid"


class ModelFileChangedError(ModelError):
    """A model file is missing or its sha256 is not the manifest's."""

    code = "model_file_changed"


class ProviderUnavailableError(ModelError):
    """The execution provider asked for cannot run here (never replaced by another in silence)."""

    code = "provider_unavailable"


class InferenceFailedError(ModelError):
    """The model gave outputs that break its contract (shape, NaN) or stopped with an error."""

    code = "inference_failed"
    retryable = True


# --- requests and jobs -------------------------------------------------------------------------------------


class RequestInvalidError(XmagError):
    """A field is missing, unknown or out of range."""

    code = "request_invalid"
    status = 422
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


class RecordUnreadableError(XmagError):
    """A job's record was damaged, or written by another version."""

    code = "record_unreadable"


class JobErasedError(XmagError):
    """The job was erased."""

    code = "job_erased"
    status = 410
    origin = "user"


class ResultNotReadyError(XmagError):
    """The job has no result (yet)."""

    code = "result_not_ready"
    status = 409
    origin = "user"


class QueueFullError(XmagError):
    """As many jobs wait as the service accepts."""

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
    """No key, or one that is not known."""

    code = "unauthenticated"
    status = 401
    origin = "user"


class ForbiddenError(XmagError):
    """The key (or the page that sent the request) may not do that."""

    code = "forbidden"
    status = 403
    origin = "user"


class SetupError(XmagError):
    """The installation cannot run as configured."""

    code = "setup_invalid"


def error_for_code(code: str) -> type[XmagError]:
    """The class that carries ``code``; ``XmagError`` itself if none does."""
    found = [XmagError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return next((cls for cls in found if cls.code == code and cls is not XmagError), InternalError)
