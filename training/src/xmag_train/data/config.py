"""The YAML of `xmag-train curate`."""

from pathlib import Path
from typing import Any

from pydantic import Field

from xmag_train.config import Config
from xmag_train.data.select import DUPLICATE_CORRELATION


class CurateConfig(Config):
    """``slides``: a TSV with the columns path, slide, case, site, organ, label, stain, scanner (others are ignored).

    A column ``mpp`` gives the µm/px of level 0 where a file does not say it, or not rightly. ``path`` is taken from the
    table's folder. ``tissue_min``: share of a region that must be tissue. ``duplicate_correlation``: of 16×16 grey
    pictures, from which on two regions of a case count as the same.
    """

    slides: Path
    name: str = Field(default="regions", pattern=r"^[a-z0-9][a-z0-9-]*$")
    tissue_min: float = Field(default=0.6, gt=0.0, le=1.0)
    per_slide: int = Field(default=500, ge=1)
    duplicate_correlation: float = Field(default=DUPLICATE_CORRELATION, gt=0.0, le=1.0)
    jpeg_quality: int = Field(default=90, ge=50, le=100)
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """All that decides what is cut from a slide; the table may be moved, and grow at its end."""
        return {"source": "slides", **self.model_dump(mode="json", exclude={"slides"})}
