"""A slide whose header describes its colours wrongly, read with the colours of its tiles."""

import math
import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import openslide
from PIL import Image

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.catalogue import format_of
from app.slides.formats.codestream import Colours
from app.slides.formats.compressed.direct_level import DirectLevel, LevelRect
from app.slides.formats.compressed.self_check import shifted
from app.slides.formats.compressed.tiled_image import WANTED, NotDirectError, image_of
from app.slides.formats.dicom.dicom_image import dicom_image
from app.slides.formats.finding import FoundSlide
from app.slides.formats.tiff.tiff_directory import read_directories
from app.slides.formats.tiff.tiff_levels import level_directories


class CorrectedSlide(openslide.OpenSlide):
    """OpenSlide with true colours: what it shows of YCbCr that is called RGB is converted. RGB that is called YCbCr it
    would spoil, so such levels' tiles are decoded here.

    ``levels``: true colours of each mislabelled level, by OpenSlide's number.
    Raises SlideUnsupportedError if such tiles cannot be decoded here; SlideCorruptError, OSError.
    """

    def __init__(self, found: FoundSlide, levels: Mapping[int, Colours]) -> None:
        super().__init__(found.entry)
        self._colours = levels
        self._one_reads = threading.Lock()
        self._direct: dict[int, DirectLevel] = {}
        for number in (number for number, colours in levels.items() if colours == "rgb"):
            self._direct[number] = self._open_directly(found, number)

    def _open_directly(self, found: FoundSlide, number: int) -> DirectLevel:
        vendor, size = self.properties[openslide.PROPERTY_NAME_VENDOR], self.level_dimensions[number]
        try:
            if found.dicom is not None:
                path, image = dicom_image(found.dicom.levels, size)
                return DirectLevel(path, image)
            if not format_of(vendor).is_read_directly:
                raise NotDirectError(f"{vendor} is not read directly")
            image = image_of(level_directories(list(read_directories(found.entry, WANTED)), vendor)[number], "rgb")
        except NotDirectError as error:
            raise SlideUnsupportedError(sentences.COLOURS_NOT_CORRECTED) from error
        # Some formats include the padding of the last tiles.
        return DirectLevel(found.entry, replace(image, width=size[0], height=size[1]), fill_missing=True)

    def close(self) -> None:
        """Close the file."""
        for direct in self._direct.values():
            direct.close()
        super().close()

    def read_region(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        """RGBA pixels as ``OpenSlide.read_region`` gives them. Raises openslide.OpenSlideError."""
        colours = self._colours.get(level)
        if colours is None:
            return super().read_region(location, level, size)
        if colours == "ycbcr":
            return _from_ycbcr(super().read_region(location, level, size))
        left, top = (place / self.level_downsamples[level] for place in location)
        rect = LevelRect(math.floor(left), math.floor(top), size[0] + 1, size[1] + 1)
        try:
            with self._one_reads:
                pixels = self._direct[level].read(rect)
        except NotDirectError as error:
            raise openslide.OpenSlideError(str(error)) from error
        rgb = np.rint(shifted(pixels, left - rect.x, top - rect.y)).astype(np.uint8)
        return Image.fromarray(rgb).convert("RGBA")


def _from_ycbcr(pixels: Image.Image) -> Image.Image:
    *channels, alpha = pixels.split()
    converted = Image.merge("YCbCr", channels).convert("RGB")
    converted.putalpha(alpha)
    return converted
