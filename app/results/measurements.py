"""What is known of each tile, by name: the columns of tiles.csv and the measurements of attention.geojson."""

from app.results.percentile import attention_percentiles
from app.results.slide_result import HeadMap, TileMaps
from app.slides.types import Float32Array


def measurements(maps: TileMaps) -> dict[str, list[float]]:
    """Name → one number per tile. With several heads every name starts with its task."""
    columns = {"tissue fraction": rounded(maps.tissue_fractions, 4)}
    for head in maps.heads:
        prefix = f"{head.task}: " if len(maps.heads) > 1 else ""
        for label, attention in attention_rows(head):
            suffix = f" ({label})" if label else ""
            columns[f"{prefix}attention{suffix}"] = significant(attention)
            columns[f"{prefix}attention percentile{suffix}"] = rounded(attention_percentiles(attention), 2)
        if head.tile_scores is not None:
            for label, scores in zip(head.labels, head.tile_scores.T, strict=True):
                columns[f"{prefix}tile score ({label})"] = significant(scores)
    return columns


def attention_rows(head: HeadMap) -> list[tuple[str | None, Float32Array]]:
    """(class or None, attention [N]) for each attention row of a head."""
    if head.attention is None:
        return []
    if len(head.attention) == 1:
        return [(None, head.attention[0])]
    return list(zip(head.labels, head.attention, strict=True))


def rounded(values: Float32Array, decimals: int) -> list[float]:
    """Each value to so many decimals."""
    return [round(value, decimals) for value in values.tolist()]


def significant(values: Float32Array) -> list[float]:
    """Seven significant digits: all that a float32 holds."""
    return [float(f"{value:.7g}") for value in values.tolist()]
