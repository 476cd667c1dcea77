"""A model of the models' folder, loaded as the settings say."""

from pathlib import Path

from app.inference.model import Model, load_model
from app.settings import Settings


def installed_model(settings: Settings, folder: Path) -> Model:
    """The model in ``folder``. Raises as ``load_model`` does."""
    return load_model(folder, device=settings.device, precision=settings.precision, threads=settings.threads)
