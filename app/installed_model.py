"""A model of the models' folder, loaded as the settings say."""

from app.inference.model import Model, load_model
from app.inference.registry import ModelRegistry
from app.settings import Settings


def installed_model(settings: Settings, name: str) -> Model:
    """The model called ``name``. Raises as ``load_model`` does, ModelNotFoundError."""
    folder = ModelRegistry(settings.models_dir).folder(name)
    return load_model(folder, device=settings.device, precision=settings.precision, threads=settings.threads)
