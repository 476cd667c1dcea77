"""What is wrong with a model."""

from app.errors.base import XmagError


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


class NoModelError(ModelError):
    """The request named no model, and the server has no usable default."""

    code = "no_model"
    status = 503
    retryable = True


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
