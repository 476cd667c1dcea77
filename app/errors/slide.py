"""What is wrong with a slide, or with how it was sent."""

from app.errors.base import XmagError


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


class SlideUnsupportedError(SlideError):
    """The service does not support this kind of slide; the message names the kind and the format to convert to."""

    code = "slide_unsupported"


class SlideMissingError(SlideError):
    """No file at the given path, no object at the given address."""

    code = "slide_missing"


class UploadNotFoundError(XmagError):
    """No upload of that id: never begun, not finished in time, or already a job."""

    code = "upload_not_found"
    status = 404
    origin = "user"


class UploadIncompleteError(XmagError):
    """The upload lacks bytes."""

    code = "upload_incomplete"
    status = 409
    origin = "user"


class UploadOffsetError(XmagError):
    """A piece does not begin where the upload ends."""

    code = "upload_offset"
    status = 409
    origin = "user"


class TusVersionError(XmagError):
    """Another version of the tus protocol than 1.0.0."""

    code = "tus_version"
    status = 412
    origin = "user"


class UploadTypeError(XmagError):
    """A slide or a piece of one was sent with another Content-Type than those that are read."""

    code = "upload_type"
    status = 415
    origin = "user"


class ContentEncodingError(UploadTypeError):
    """The body has a Content-Encoding or Content-Transfer-Encoding that the service does not decode."""


class UploadBusyError(XmagError):
    """Another request writes the same upload."""

    code = "upload_busy"
    status = 423
    origin = "user"
    retryable = True


class SlideGoneError(XmagError):
    """The slide was erased, or is no longer where it was; the results are kept."""

    code = "slide_gone"
    status = 410
    origin = "user"


class ViewerBusyError(XmagError):
    """More slides are looked at than the service has readers for."""

    code = "viewer_busy"
    status = 503
    retryable = True


class EmptyUploadError(SlideError):
    """Zero bytes."""

    code = "empty_upload"


class IdentityConflictError(SlideError):
    """The slide's header names another case or slide than the request."""

    code = "identity_conflict"


class MppMissingError(SlideError):
    """Neither request, file nor objective power states the resolution (DICOM: only Pixel Spacing counts)."""

    code = "mpp_missing"


class MppImplausibleError(SlideError):
    """Resolution outside 0.08 to 5 µm/px, or x and y more than 2 % apart."""

    code = "mpp_implausible"


class ResolutionTooLowError(SlideError):
    """The scan resolution is lower than the model needs."""

    code = "resolution_too_low"


class NoTissueError(SlideError):
    """The tissue mask is empty."""

    code = "no_tissue"


class DecoderCrashedError(SlideError):
    """The process that decoded the slide died."""

    code = "decoder_crashed"
    retryable = True


class DecoderTimeoutError(SlideError):
    """The process that decoded the slide stopped responding."""

    code = "decoder_timeout"
    retryable = True


class SlideTooCostlyError(SlideError):
    """Decoding the slide took more processor time than allowed."""

    code = "slide_too_costly"


class ArchiveUnsafeError(SlideError):
    """A zip with links, absolute or climbing paths, too many files or an impossible ratio."""

    code = "archive_unsafe"


class ArchiveInvalidError(SlideError):
    """Not a readable zip, or a zip without a slide."""

    code = "archive_invalid"


class SlideUnsafeError(SlideError):
    """The slide's index file names a file outside the slide's folder, or something that is not a regular file."""

    code = "slide_unsafe"


class SlideTooManyFilesError(SlideError):
    """The slide's folder holds more files than any slide consists of."""

    code = "slide_too_many_files"


class StorageUnavailableError(XmagError):
    """The disk, share or object store that the slide lies on does not give its bytes: it may itself be in order."""

    code = "storage_unavailable"
    status = 503
    retryable = True


class TooLargeError(XmagError):
    """More bytes than the service accepts."""

    code = "too_large"
    status = 413
    origin = "user"


class HeadTooLargeError(TooLargeError):
    """The request's header is longer than 64 KiB."""

    status = 431


class DigestMismatchError(XmagError):
    """What arrived is not what was sent, by the SHA-256 in the request."""

    code = "digest_mismatch"
    status = 422
    origin = "user"
    retryable = True


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
    """A slide given by path, or an object, changed between request and analysis."""

    code = "source_changed"
    status = 409


class PathNotAllowedError(XmagError):
    """A path outside the configured roots."""

    code = "path_not_allowed"
    status = 403
    origin = "user"


class ObjectNotAllowedError(XmagError):
    """An object outside the configured roots, or one that the store does not show to the server."""

    code = "object_not_allowed"
    status = 403
    origin = "user"
