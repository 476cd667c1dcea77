"""tiles.csv: one row per tile, in the order of embeddings.h5, for spreadsheets and scripts."""

import csv
import io
from collections.abc import Iterator

import numpy as np

from app.results.files.measurements import measurements
from app.results.pictures.tile_frame import tile_corners
from app.results.slide_result import TileMaps

_ROWS_AT_A_TIME = 512


def csv_chunks(maps: TileMaps) -> Iterator[str]:
    """The file piece by piece (RFC 4180, UTF-8): a head, then a row per tile.

    ``x0_px`` to ``y1_px``: its square at level 0, of the whole image, ends excluded. ``sharpness`` is empty where a
    tile was not judged for focus, a percentile where it is mostly glass and has no rank.
    """
    columns = measurements(maps)
    names = ["tile", "x0_px", "y0_px", "x1_px", "y1_px", *columns, "sharpness"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    squares = tile_corners(maps.coords, maps.document.tiling.tile_size0_px).tolist()
    sharpness = ["" if np.isnan(value) else f"{value:.4g}" for value in maps.sharpness.tolist()]
    for row, square in enumerate(squares):
        writer.writerow([row, *square, *(values[row] for values in columns.values()), sharpness[row]])
        if row % _ROWS_AT_A_TIME == _ROWS_AT_A_TIME - 1:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
