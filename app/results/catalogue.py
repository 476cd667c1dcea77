"""What a finished job offers: files that its analysis writes, and answers that are made from them on request.

To add a result file, add an entry here and write it in ``app/results/files/write.py``. Route, link, zip and what `xmag
analyze` replaces follow. Tests name the pages and docs that lack it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Output:
    """One output. ``name``: its file. ``title``, ``text``: what it is, for the API reference and docs.

    ``link``: its name among a job's links; None for what has no address of its own. ``button``: what the slide page
    calls the download; None if it offers none. ``files``: pattern of its files in the result's folder; empty for
    what is made on request.
    """

    name: str
    media_type: str
    title: str
    text: str
    link: str | None = None
    button: str | None = None
    files: str = ""
    address: str = ""
    """Below the job; the name if empty."""
    is_sent_as_stored: bool = False
    """The route does nothing but send the file."""
    is_of_failed: bool = False
    """A job that failed with `no_tissue` has it too."""
    in_zip: bool = True

    @property
    def path(self) -> str:
        """Address below the job."""
        return self.address or self.name

    @property
    def is_text(self) -> bool:
        """Whether compression makes it smaller; pictures, PDF and HDF5 are compressed already."""
        return self.media_type.startswith("text/") or self.media_type.endswith("json")


RESULT = Output(
    "result.json",
    "application/json",
    "The result",
    "Predictions, top tiles, quality figures, tiling, timings, and what made them. Also as `result.json`.",
    link="result",
    button="Result (JSON)",
    files="result.json",
    address="result",
)
HEATMAP = Output(
    "heatmap.png",
    "image/png",
    "The map over the slide",
    "The map that opens first, over the slide, with its legend.",
    link="heatmap",
    button="Heatmap (PNG)",
    files="heatmap*.png",
)
TISSUE_MASK = Output(
    "tissue_mask.png",
    "image/png",
    "The tissue mask",
    "PNG aligned with the thumbnail, white where tissue was found. Jobs that failed with `no_tissue` have it too.",
    link="tissue_mask",
    files="tissue_mask.png",
    is_sent_as_stored=True,
    is_of_failed=True,
)
ATTENTION = Output(
    "attention.geojson",
    "application/geo+json",
    "Attention as squares, for QuPath",
    "A FeatureCollection: one square per row of embeddings.h5, in its order.",
    link="attention",
    button="For QuPath (GeoJSON)",
    files="attention*.geojson",
)
EMBEDDINGS = Output(
    "embeddings.h5",
    "application/x-hdf5",
    "Embeddings (HDF5)",
    "`features` float32 [N, D] and `coords` int64 [N, 2], as the CLAM and TRIDENT family of tools reads them.",
    link="embeddings",
    button="Embeddings (HDF5)",
    files="embeddings.h5",
    is_sent_as_stored=True,
)
OVERLAY = Output(
    "overlay.png",
    "image/png",
    "The map as a layer",
    "RGBA over the entire slide. Choose `scale` (`percentile`, `raw`), `palette` (`viridis`, `cividis`, `inferno`) and "
    "`opacity` (percent). If the head has them, also `task`, `quantity` (`tile_scores`, `attention`) and `class`.",
    link="overlay",
    files="overlay*.png",
    address="heatmap.png?layer=overlay",
)
LAYERS = Output(
    "layers",
    "application/json",
    "Map layers over the slide",
    "The layers for a viewer to show over the slide, each with `url`, `legend` and a `note` to display with it.",
    link="layers",
    in_zip=False,
)
THUMBNAIL = Output(
    "thumbnail.jpg",
    "image/jpeg",
    "Thumbnail of the slide",
    "JPEG of the entire level-0 extent, at most 1600 px long. Never the label or macro.",
    link="thumbnail",
    files="thumbnail.jpg",
    is_sent_as_stored=True,
)
QC_MASK = Output(
    "qc_mask.png",
    "image/png",
    "Ink and dark areas",
    "PNG aligned with the thumbnail. `qc.png` shows it as a layer.",
    files="qc_mask.png",
)
TOP_TILES = Output(
    "top_tile_01.jpg",
    "image/jpeg",
    "The highest tiles of the map",
    "JPEG of each top tile, as the model saw it, under `top_tiles/{rank}.jpg`.",
    files="top_tile_*.jpg",
)
TILES = Output(
    "tiles.csv",
    "text/csv",
    "All tiles as a table",
    "CSV, one row per row of embeddings.h5: square at level 0, tissue, attention, scores, sharpness.",
    link="tiles",
    button="Tiles (CSV)",
)
REPORT_HTML = Output(
    "report.html",
    "text/html",
    "The report, to read or print",
    "One page: map with legend, prediction, quality, top tiles, provenance.",
    link="report",
    in_zip=False,
)
REPORT_PDF = Output(
    "report.pdf",
    "application/pdf",
    "The report, one A4 page",
    "The same as PDF.",
    link="report_pdf",
    button="Report (PDF)",
)
EVERYTHING = Output(
    "results.zip",
    "application/zip",
    "Everything in one file",
    "Zip of all files of the result, tiles.csv and report.pdf; always the same bytes.",
    link="results",
    button="Everything (zip)",
    in_zip=False,
)
OUTPUTS = (
    *(RESULT, HEATMAP, TISSUE_MASK, ATTENTION, EMBEDDINGS, OVERLAY, LAYERS, THUMBNAIL, QC_MASK, TOP_TILES),
    *(TILES, REPORT_HTML, REPORT_PDF, EVERYTHING),
)
STORED = tuple(one for one in OUTPUTS if one.files)
"""What the analysis writes into the result's folder; the zip holds all of it."""
