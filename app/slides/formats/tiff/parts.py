"""Files with several images of the slide: scenes, focal planes or time points. One of them is analysed.

OpenSlide reads the first image of an OME-TIFF, and the focal plane 0 of NDPI and SCN. It draws all scenes of a CZI, but
does not distinguish its planes.
Sources: the OME data model, schema 2016-06 (Image, SizeZ, SizeT); OpenSlide's source.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import openslide

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.tiff.ome import ome_image, ome_images, ome_pixel_um
from app.slides.formats.tiff.tiff_directory import read_directories
from app.warning import coded

_OTHER_KIND = re.compile(r"label|macro|overview|thumbnail|barcode|preview", re.IGNORECASE)
_SAME_PIXEL = 1.1
"""Scenes were scanned alike; a level or a macro has larger pixels."""
_LEVEL_RATIO, _SAME_SHAPE = 1.8, 1.02
_NDPI_FOCAL_PLANE = 65424
_CLASSIC_TIFF_BYTES = 2**32
"""Largest NDPI with standard offsets."""
_SCN_PLANE = re.compile(r'<dimension\b[^>]*\bz="(\d+)"')
_DESCRIPTION = 270


def parts_left_out(slide: openslide.OpenSlide, entry: Path) -> tuple[str, ...]:
    """Warnings of scenes, planes and time points that are not analysed. ``slide``: open at ``entry``.

    Raises SlideUnsupportedError if it is unclear which one OpenSlide shows; SlideCorruptError, OSError.
    """
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR)
    if vendor == "zeiss":
        _refuse_planes(slide.properties)
    if vendor == "hamamatsu" and entry.stat().st_size < _CLASSIC_TIFF_BYTES:
        planes = [found.number(_NDPI_FOCAL_PLANE) for found in read_directories(entry, {_NDPI_FOCAL_PLANE})]
        return _planes(len({*planes} - {None}), "the one at the nominal focus")
    if vendor == "leica":
        first = next(read_directories(entry, {_DESCRIPTION}))
        return _planes(len({*_SCN_PLANE.findall(first.text(_DESCRIPTION))}), "the first")
    return ome_parts_left_out(slide.properties)


def ome_parts_left_out(properties: Mapping[str, str]) -> tuple[str, ...]:
    """The same of an OME-TIFF by its XML. Raises SlideUnsupportedError."""
    images = ome_images(properties)
    shown = ome_image(properties, images)
    images = [image for image in images if not _OTHER_KIND.search(image["Name"])]
    if shown is None:
        if len(images) > 1:
            raise SlideUnsupportedError(sentences.OME_IMAGES(count=len(images)))
        return ()
    warnings: tuple[str, ...] = ()
    scenes = 1 + sum(_is_scene(image, shown) for image in images if image is not shown)
    if scenes > 1:
        width, height = _count(shown, "SizeX"), _count(shown, "SizeY")
        warnings += (_left_out(sentences.SCENES_LEFT_OUT(count=scenes, width=width, height=height)),)
    warnings += _planes(_count(shown, "SizeZ"), "the first")
    if (times := _count(shown, "SizeT")) > 1:
        warnings += (_left_out(sentences.TIMES_LEFT_OUT(count=times)),)
    return warnings


def _is_scene(image: Mapping[str, str], shown: Mapping[str, str]) -> bool:
    """Whether another image shows more of the slide, not just a smaller version."""
    pixel, shown_pixel = ome_pixel_um(image), ome_pixel_um(shown)
    if pixel is not None and shown_pixel is not None:
        return 1 / _SAME_PIXEL <= pixel / shown_pixel <= _SAME_PIXEL
    ratios = [_count(shown, side) / _count(image, side) for side in ("SizeX", "SizeY")]
    return min(ratios) < _LEVEL_RATIO or max(ratios) > _SAME_SHAPE * min(ratios)


def _refuse_planes(properties: Mapping[str, str]) -> None:
    for axis, name in (("Z", "focal planes"), ("T", "time points")):
        if (count := _count(properties, f"zeiss.Information.Image.Size{axis}")) > 1:
            raise SlideUnsupportedError(sentences.CZI_PLANES(count=count, axis=name))


def _planes(count: int, which: str) -> tuple[str, ...]:
    if count <= 1:
        return ()
    return (_left_out(sentences.PLANES_LEFT_OUT(count=count, plane=which)),)


def _left_out(sentence: str) -> str:
    return coded("part_left_out", sentence)


def _count(values: Mapping[str, str], name: str) -> int:
    """A number of at least 1; 1 if not stated."""
    text = values.get(name, "")
    return max(1, int(text)) if text.isdecimal() else 1
