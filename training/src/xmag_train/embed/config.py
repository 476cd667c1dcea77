"""The YAML of `xmag-train embed`."""

import unicodedata
from pathlib import Path

from pydantic import Field, model_validator

from xmag_train.config import Config
from xmag_train.mil.encode import EncoderConfig


class EmbedConfig(Config):
    """``folder``: every file in it is tried; ``slides``: a list of files. Exactly one of them.

    ``mpp``: of slides that do not say their µm/px, or not rightly, by file name without its ending. ``model``: an
    exported model's folder. ``encoder``: a teacher of the registry, or a student, in its place; ``model`` then only
    says how much of a tile must be tissue (0.10 without it). ``out``: gets `<slide>.h5`. ``device``: cpu, cuda or auto.
    ``precision``: of a model. ``batch_tiles``: 5x tiles per turn of the reader; a model gets a batch for each of its
    lanes at least.
    """

    model: Path | None = None
    encoder: EncoderConfig | None = None
    out: Path
    folder: Path | None = None
    slides: tuple[Path, ...] = ()
    mpp: dict[str, float] = Field(default_factory=dict)
    device: str = "auto"
    precision: str = "fp32"
    threads: int = Field(default=2, ge=1)
    batch_tiles: int = Field(default=16, ge=1, le=256)

    @model_validator(mode="after")
    def _one_source(self) -> "EmbedConfig":
        if (self.folder is None) == (not self.slides):
            raise ValueError("give either folder or slides")
        if self.model is None and self.encoder is None:
            raise ValueError("give a model or an encoder")
        if self.encoder is not None and self.precision != "fp32":
            raise ValueError("precision is of an exported model: an encoder runs in fp32")
        return self

    def paths(self) -> list[Path]:
        """The slides by name. ValueError if there are none, two of one bag, or ``mpp`` names another."""
        if self.folder is None:
            found = list(self.slides)
        else:
            found = sorted(path for path in self.folder.iterdir() if path.is_file() and not path.name.startswith("."))
        names = [bag_name(path) for path in found]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not found:
            raise ValueError(f"slides of the same name: {twice}" if twice else f"no slides in {self.folder}")
        unknown = sorted(self.mpp.keys() - set(names))
        if unknown:
            raise ValueError(f"mpp names slides that are not there: {unknown}")
        return found


def bag_name(slide: Path) -> str:
    """The slide's name in tables, where letters are composed (NFC), whatever the file system makes of them."""
    return unicodedata.normalize("NFC", slide.stem)
