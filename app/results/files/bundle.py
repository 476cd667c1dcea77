"""results.zip: everything of a result in one file, in a fixed order and with fixed times: always the same bytes.

What is packed already (PNG, JPEG, PDF, HDF5) is stored, text is deflated; nothing is held in memory but one piece.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from app.results.catalogue import OUTPUTS, REPORT_PDF, RESULT, TILES
from app.results.files.tiles_csv import csv_chunks
from app.results.slide_result import TileMaps

_DATE: Final = (1980, 1, 1, 0, 0, 0)
_DEFLATED: Final = {Path(one.name).suffix for one in OUTPUTS if one.is_text}
_CHUNK: Final = 1 << 20


def zip_chunks(folder: Path, maps: TileMaps, report_pdf: bytes, top: str) -> Iterator[bytes]:
    """The archive piece by piece: the folder's files by name, result.json first, then tiles.csv and report.pdf.

    ``top``: the folder inside the archive.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:  # the sink cannot seek: sizes follow each file's bytes
        for path in sorted(folder.iterdir(), key=lambda file: (file.name != RESULT.name, file.name)):
            yield from _add(archive, sink, f"{top}/{path.name}", _pieces(path), path.stat().st_size)
        rows = (chunk.encode() for chunk in csv_chunks(maps))
        yield from _add(archive, sink, f"{top}/{TILES.name}", rows, 0)
        yield from _add(archive, sink, f"{top}/{REPORT_PDF.name}", [report_pdf], len(report_pdf))
    yield sink.take()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _add(archive: zipfile.ZipFile, sink: "_Sink", name: str, pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED if Path(name).suffix in _DEFLATED else zipfile.ZIP_STORED
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    entry.file_size = size  # from 2 GiB on, zip64 is used
    with archive.open(entry, "w") as file:
        for piece in pieces:
            file.write(piece)
            yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """Collects what the archive writes until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    def writable(self) -> bool:
        """Yes; and it can neither seek nor tell."""
        return True

    def write(self, data: object) -> int:
        """Keep ``data``."""
        view = memoryview(data)  # type: ignore[arg-type]  # whatever holds bytes
        self._held += view
        return view.nbytes

    def take(self) -> bytes:
        """What came since the last time."""
        taken = bytes(self._held)
        self._held.clear()
        return taken
