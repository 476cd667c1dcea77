"""A finished job's report from its files alone."""

from pathlib import Path

import numpy as np
from PIL import Image

from app.results.catalogue import EMBEDDINGS, THUMBNAIL, TISSUE_MASK
from app.results.files.hdf5 import read_tiles
from app.results.files.write import read_document, top_tile_name
from app.results.pictures.mask_image import read_tissue_mask
from app.results.report.report import Report, Subject, build_report
from app.results.report.report_map import ReportMap, draw_report_map
from app.results.report.report_pdf import render_pdf
from app.results.slide_result import TileMaps


def stored_tiles(folder: Path) -> TileMaps:
    """What the result says of each tile."""
    return read_tiles(folder / EMBEDDINGS.name, read_document(folder))


def stored_report(folder: Path, subject: Subject) -> Report:
    """What the report says."""
    return build_report(stored_tiles(folder), subject)


def stored_report_map(folder: Path) -> ReportMap:
    """The report's picture."""
    with Image.open(folder / THUMBNAIL.name) as picture:
        thumbnail = np.asarray(picture)
    return draw_report_map(stored_tiles(folder), thumbnail, read_tissue_mask(folder / TISSUE_MASK.name))


def stored_report_pdf(folder: Path, subject: Subject) -> bytes:
    """The page."""
    report = stored_report(folder, subject)
    document = read_document(folder)
    tiles = [(folder / top_tile_name(document, tile.rank)).read_bytes() for tile in report.top_tiles]
    return render_pdf(report, stored_report_map(folder), tiles)
