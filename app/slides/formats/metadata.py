"""What an open slide says of itself, and how far to believe it: micrometres per pixel rule, names do not."""

import math
from collections.abc import Mapping

import openslide

from app.errors import (
    MppImplausibleError,
    MppMissingError,
    ResolutionTooLowError,
    SlideError,
)
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.tiff.ome import ome_mpp
from app.slides.types import Bounds, Level, MppSource, SlideInfo

MPP_MIN = 0.08
"""Finer than any slide scanner. 0.05 results from 0.5 if a writer confuses px per mm with px per cm."""
MPP_MAX = 5.0
MPP_MAX_ANISOTROPY = 0.02
OBJECTIVE_POWER_MAX = 1000.0
"""More than that is no objective's, and not handed on."""
LEVEL0_MPP_MAX = 2.12
"""6 % coarser than 2.0 µm/px: what the level rule may bear, so that nothing is enlarged beyond it."""


def read_info(slide: openslide.OpenSlide, levels: tuple[Level, ...], requested_mpp: float | None = None) -> SlideInfo:
    """The slide's record, with ``levels`` as ``app.slides.formats.levels.pyramid`` finds them.

    Raises MppMissingError, MppImplausibleError, ResolutionTooLowError.
    """
    properties = slide.properties
    width, height = slide.dimensions
    power = _positive(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
    mpp_x, mpp_y, source = resolve_mpp(properties, requested_mpp)
    return SlideInfo(
        vendor=properties.get(openslide.PROPERTY_NAME_VENDOR) or "unknown",
        width=width,
        height=height,
        mpp=(mpp_x + mpp_y) / 2,
        mpp_x=mpp_x,
        mpp_y=mpp_y,
        mpp_source=source,
        objective_power=power if power is not None and power <= OBJECTIVE_POWER_MAX else None,
        levels=levels,
        background=read_background(properties),
        bounds=read_bounds(properties, width, height),
        mpp_file=_file_mpp(properties),
    )


def _file_mpp(properties: Mapping[str, str]) -> float | None:
    """What would be used without a request; None where that would be refused."""
    try:
        mpp_x, mpp_y, _ = resolve_mpp(properties, None)
    except SlideError:
        return None
    return (mpp_x + mpp_y) / 2


def resolve_mpp(properties: Mapping[str, str], requested: float | None) -> tuple[float, float, MppSource]:
    """(mpp_x, mpp_y, source): from the request, else the file, else 10 / objective power. Errors as ``read_info``.

    A DICOM file always states its spacing. Where OpenSlide does not find it, as in the record of each frame, the
    nominal power is not taken instead.
    """
    if requested is not None:
        return *_checked(requested, requested, "the request"), "request"
    by_openslide = (properties.get(openslide.PROPERTY_NAME_MPP_X), properties.get(openslide.PROPERTY_NAME_MPP_Y))
    texts = ome_mpp(properties) or by_openslide
    if texts[0] is not None and texts[1] is not None:
        return *_checked(_number(texts[0]), _number(texts[1]), "the file"), "file"
    is_dicom = properties.get(openslide.PROPERTY_NAME_VENDOR) == "dicom"
    power = _positive(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
    if power is not None and not is_dicom:
        return *_checked(10 / power, 10 / power, f"the objective power ({power:g}x)"), "objective_power"
    if is_dicom:
        raise MppMissingError(sentences.MPP_MISSING_DICOM)
    raise MppMissingError(sentences.MPP_MISSING)


def read_background(properties: Mapping[str, str]) -> tuple[int, int, int]:
    """RGB of ``openslide.background-color`` (hexadecimal RRGGBB); white where the file names none."""
    text = properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "")
    try:
        red, green, blue = bytes.fromhex(text)
    except ValueError:
        return 255, 255, 255
    return red, green, blue


def read_bounds(properties: Mapping[str, str], width: int, height: int) -> Bounds | None:
    """The scanner's non-empty region; None where the file names none or one that does not lie on the slide."""
    names = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    try:
        x0, y0, bounds_width, bounds_height = (int(properties[name]) for name in names)
    except (KeyError, ValueError):
        return None
    inside = 0 <= x0 < x0 + bounds_width <= width and 0 <= y0 < y0 + bounds_height <= height
    return Bounds(x0, y0, bounds_width, bounds_height) if inside else None


def _checked(mpp_x: float, mpp_y: float, origin: str) -> tuple[float, float]:
    if math.isnan(mpp_x) or math.isnan(mpp_y):
        raise MppImplausibleError(sentences.MPP_NO_LENGTH(origin=origin))
    said = f"{mpp_x:g}" if mpp_x == mpp_y else f"{mpp_x:g} × {mpp_y:g}"
    for mpp in (mpp_x, mpp_y):
        if not MPP_MIN <= mpp <= MPP_MAX:
            limits = {"low": MPP_MIN, "high": MPP_MAX}
            raise MppImplausibleError(sentences.MPP_OUT_OF_RANGE(origin=origin, measured=said, **limits))
    if abs(mpp_x - mpp_y) > MPP_MAX_ANISOTROPY * min(mpp_x, mpp_y):
        raise MppImplausibleError(sentences.MPP_NOT_SQUARE(origin=origin, measured=said))
    if (mpp_x + mpp_y) / 2 > LEVEL0_MPP_MAX:
        raise ResolutionTooLowError(sentences.MPP_TOO_COARSE(origin=origin, measured=said, high=LEVEL0_MPP_MAX))
    return mpp_x, mpp_y


def _number(text: str) -> float:
    """NaN for what is no number: it fails every range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _positive(text: str | None) -> float | None:
    value = _number(text) if text is not None else math.nan
    return value if math.isfinite(value) and value > 0 else None
