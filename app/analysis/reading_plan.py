"""What a model's manifest asks of the reader, in the slides room's words. Joins slides and inference."""

from app.inference.manifest import Manifest
from app.slides.types import ReadingPlan


def reading_plan(manifest: Manifest) -> ReadingPlan:
    """How the model wants its tiles read."""
    return ReadingPlan(
        tile_px=manifest.tile_px,
        tile_mpp=manifest.mpp,
        tissue_min=manifest.tissue_min,
        resample_filter=manifest.reading.resample_filter,
        level_tolerance=manifest.reading.level_tolerance,
        decoder_scaling=manifest.reading.decoder_scaling,
    )
