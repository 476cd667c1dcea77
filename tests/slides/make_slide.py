"""Writes small tiled pyramidal TIFFs, so that a test knows every pixel of the slide that it analyses."""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Compression = Literal["raw", "jpeg", "jpeg2000"]
_SHORT, _LONG, _ASCII, _UNDEFINED = 3, 4, 2, 7
_TIFF_COMPRESSIONS = {"raw": 1, "jpeg": 7, "jpeg2000": 33005}
_PHOTOMETRIC_RGB, _PHOTOMETRIC_YCBCR = 2, 6


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    values: tuple[int, ...] | bytes


@dataclass(frozen=True)
class Jpeg:
    """How JPEG tiles are made. ``subsampling``: 0 4:4:4, 1 4:2:2, 2 4:2:0. ``rgb``: no YCbCr; unmarked, as Aperio does.
    ``tables``: quantisation and Huffman tables stand once in the directory."""

    quality: int = 90
    subsampling: int = 0
    rgb: bool = False
    tables: bool = False


def write_svs(
    path: Path,
    pixels: NDArray[np.uint8],
    mpp: float | None,
    appmag: float | None = None,
    levels: Sequence[int] = (1, 4, 16),
    tile_px: int = 256,
    compression: Compression = "jpeg",
    jpeg: Jpeg = Jpeg(),
    icc: bytes = b"",
) -> Path:
    """An Aperio SVS of uint8 [h, w, 3] RGB ``pixels``: levels are block means, sizes rounded down as Aperio does.

    ``mpp`` and ``appmag`` are left out of the file where None.
    """
    height, width = pixels.shape[:2]
    words = [f"Aperio Image Library v12.0.0\r\n{width}x{height} ({tile_px}x{tile_px})"]
    words += [f"AppMag = {appmag:g}"] if appmag is not None else []
    words += [f"MPP = {mpp:.6f}"] if mpp is not None else []
    return _write(path, pixels, "|".join(words), levels, tile_px, compression, jpeg, icc)


def write_generic_tiff(
    path: Path,
    pixels: NDArray[np.uint8],
    levels: Sequence[int] = (1, 2, 4, 8),
    tile_px: int = 256,
    compression: Compression = "jpeg",
    jpeg: Jpeg = Jpeg(),
) -> Path:
    """A generic tiled pyramid without any resolution; otherwise as ``write_svs``."""
    return _write(path, pixels, None, levels, tile_px, compression, jpeg)


def write_ome_tiff(
    path: Path,
    pixels: NDArray[np.uint8],
    mpp: float,
    levels: Sequence[int] = (1, 2, 4, 8),
    tile_px: int = 256,
    jpeg: Jpeg = Jpeg(),
) -> Path:
    """An OME-TIFF as converters write it: one main directory, coarser levels as SubIFDs, pixel size in XML alone."""
    height, width = pixels.shape[:2]
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" '
        f'SizeY="{height}" SizeC="3" SizeZ="1" SizeT="1" PhysicalSizeX="{mpp}" PhysicalSizeXUnit="µm" '
        f'PhysicalSizeY="{mpp}"><Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData/></Pixels></Image></OME>'
    )
    return _write(path, pixels, xml, levels, tile_px, "jpeg", jpeg, as_sub_directories=True)


def _write(
    path: Path,
    pixels: NDArray[np.uint8],
    description: str | None,
    levels: Sequence[int],
    tile_px: int,
    compression: Compression,
    jpeg: Jpeg,
    icc: bytes = b"",
    as_sub_directories: bool = False,
) -> Path:
    """``as_sub_directories``: all levels but the first stand in the first one's tag SubIFDs."""
    images = [(ds, _shrink(pixels, ds)) for ds in levels if min(pixels.shape[:2]) // ds >= 1]
    with path.open("wb") as out:
        out.write(struct.pack("<2sHI", b"II", 42, 0))
        link, below = 4, []
        for downsample, image in reversed(images) if as_sub_directories else images:
            offsets, lengths, tables = [], [], b""
            for tile in _tiles(image, tile_px):
                data, tables = _encode(tile, compression, jpeg)
                offsets.append(out.tell())
                lengths.append(len(data))
                out.write(data + b"\0" * (len(data) % 2))
            entries = _entries(image, tile_px, compression, jpeg, offsets, lengths, int(downsample != 1))
            if tables:
                entries.append(_Entry(347, _UNDEFINED, tables))
            if icc:
                entries.append(_Entry(34675, _UNDEFINED, icc))
            if description is not None and not (as_sub_directories and downsample != 1):
                entries.append(_Entry(270, _ASCII, description.encode() + b"\0"))
            if as_sub_directories and downsample == 1:
                entries.append(_Entry(330, _LONG, tuple(reversed(below))))
            if as_sub_directories and downsample != 1:
                below.append(_append_directory(out, entries)[0])
            else:
                link = _write_directory(out, entries, link)
    return path


def _shrink(pixels: NDArray[np.uint8], downsample: int) -> NDArray[np.uint8]:
    height, width = (side // downsample for side in pixels.shape[:2])
    blocks = pixels[: height * downsample, : width * downsample].reshape(height, downsample, width, downsample, 3)
    return (blocks.mean(axis=(1, 3), dtype=np.float32) + 0.5).astype(np.uint8)


def _tiles(image: NDArray[np.uint8], tile_px: int) -> Iterator[NDArray[np.uint8]]:
    for y in range(0, image.shape[0], tile_px):
        for x in range(0, image.shape[1], tile_px):
            part = image[y : y + tile_px, x : x + tile_px]
            missing = ((0, tile_px - part.shape[0]), (0, tile_px - part.shape[1]), (0, 0))
            yield np.pad(part, missing, mode="edge")


def _encode(tile: NDArray[np.uint8], compression: Compression, jpeg: Jpeg) -> tuple[bytes, bytes]:
    """The tile's bytes, and the JPEG tables that they leave out."""
    buffer = io.BytesIO()
    if compression == "raw":
        return tile.tobytes(), b""
    if compression == "jpeg2000":
        Image.fromarray(tile).save(buffer, "JPEG2000", no_jp2=True, mct=1, quality_mode="rates", quality_layers=[10])
        return buffer.getvalue(), b""
    how = {"quality": jpeg.quality, "subsampling": jpeg.subsampling, "keep_rgb": jpeg.rgb}
    Image.fromarray(tile).save(buffer, "JPEG", **how)
    own, shared = _without(buffer.getvalue(), _JPEG_MARKS if jpeg.rgb else b"", _JPEG_TABLES if jpeg.tables else b"")
    if jpeg.rgb:  # R, G, B as components would say so: Aperio numbers them 0, 1, 2
        own = _renumbered(own)
    return own, b"\xff\xd8" + shared + b"\xff\xd9" if shared else b""


_JPEG_TABLES, _JPEG_MARKS = b"\xdb\xc4", b"\xe0\xee"


def _without(stream: bytes, dropped: bytes, moved: bytes) -> tuple[bytes, bytes]:
    """The JPEG stream without the segments of some markers, and those ``moved``."""
    own, shared, at = stream[:2], b"", 2
    while stream[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at + 1] in moved:
            shared += stream[at:end]
        elif stream[at + 1] not in dropped:
            own += stream[at:end]
        at = end
    return own + stream[at:], shared


def _renumbered(stream: bytes) -> bytes:
    """Components 0, 1, 2 in frame and scan headers."""
    data = bytearray(stream)
    frame, scan = stream.index(b"\xff\xc0"), stream.index(b"\xff\xda")
    for number in range(3):
        data[frame + 10 + 3 * number] = number
        data[scan + 5 + 2 * number] = number
    return bytes(data)


def _entries(
    image: NDArray[np.uint8],
    tile_px: int,
    compression: Compression,
    jpeg: Jpeg,
    offsets: list[int],
    lengths: list[int],
    reduced: int,
) -> list[_Entry]:
    ycbcr = compression == "jpeg" and not jpeg.rgb
    entries = [
        _Entry(254, _LONG, (reduced,)),
        _Entry(256, _LONG, (image.shape[1],)),
        _Entry(257, _LONG, (image.shape[0],)),
        _Entry(258, _SHORT, (8, 8, 8)),
        _Entry(259, _SHORT, (_TIFF_COMPRESSIONS[compression],)),
        _Entry(262, _SHORT, (_PHOTOMETRIC_YCBCR if ycbcr else _PHOTOMETRIC_RGB,)),
        _Entry(277, _SHORT, (3,)),
        _Entry(284, _SHORT, (1,)),
        _Entry(322, _SHORT, (tile_px,)),
        _Entry(323, _SHORT, (tile_px,)),
        _Entry(324, _LONG, tuple(offsets)),
        _Entry(325, _LONG, tuple(lengths)),
    ]
    chroma = ((1, 1), (2, 1), (2, 2))[jpeg.subsampling]
    return [*entries, _Entry(530, _SHORT, chroma)] if ycbcr else entries


def _write_directory(out: io.BufferedIOBase, entries: list[_Entry], link: int) -> int:
    """Appends an image file directory, points ``link`` at it, returns where the next link belongs."""
    here, next_link = _append_directory(out, entries)
    out.seek(link)
    out.write(struct.pack("<I", here))
    out.seek(0, io.SEEK_END)
    return next_link


def _append_directory(out: io.BufferedIOBase, entries: list[_Entry]) -> tuple[int, int]:
    """Appends an image file directory; where it begins, and where the link to the next belongs."""
    packed = []
    for entry in sorted(entries, key=lambda entry: entry.tag):
        if isinstance(entry.values, bytes):
            data, count = entry.values, len(entry.values)
        else:
            data = struct.pack(f"<{len(entry.values)}{'H' if entry.kind == _SHORT else 'I'}", *entry.values)
            count = len(entry.values)
        if len(data) > 4:
            at = out.tell()
            out.write(data + b"\0" * (len(data) % 2))
            data = struct.pack("<I", at)
        packed.append(struct.pack("<HHI", entry.tag, entry.kind, count) + data.ljust(4, b"\0"))
    here = out.tell()
    out.write(struct.pack("<H", len(packed)) + b"".join(packed))
    next_link = out.tell()
    out.write(struct.pack("<I", 0))
    return here, next_link


def he_like(
    height: int, width: int, mpp: float, tissue: Sequence[tuple[float, float, float, float]]
) -> NDArray[np.uint8]:
    """uint8 [height, width, 3]: glass with rectangles (x0, y0, x1, y1 as shares of the sides) of stained texture.

    Nuclei of about 10 µm on eosin, so that masks, stain and focus judge it as tissue.
    """
    rng = np.random.default_rng(5)
    cells = max(1, round(10 / mpp))
    noise = rng.random((height // cells + 1, width // cells + 1)) < 0.3
    nuclei = np.kron(noise, np.ones((cells, cells), bool))[:height, :width]
    image = np.full((height, width, 3), 244, np.uint8)
    for left, top, right, bottom in tissue:
        part = (slice(round(top * height), round(bottom * height)), slice(round(left * width), round(right * width)))
        image[part] = np.where(nuclei[part][..., None], np.uint8((110, 60, 150)), np.uint8((226, 140, 190)))
    return image
