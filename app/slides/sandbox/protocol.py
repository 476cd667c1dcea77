"""What parent and reader process say to each other, and how little of it the parent believes.

Requests: ``open {path, mpp}``, ``survey {plan}`` (with memory), ``ring {tiles}`` (with memory),
``tiles {start, count, at}``, ``qc``, ``region {extent, size}`` (with memory), ``confined``. Answers: a message with the
same ``op``, or ``error {code, message}``. Pixels and tile indices travel in shared memory.
"""

import dataclasses
import json
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np

from app.errors import (
    InternalError,
    SlideError,
    SlideTooManyFilesError,
    StorageUnavailableError,
    XmagError,
    error_for_code,
)
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.files import folder_of
from app.slides.sandbox.channel import ChannelGarbledError, Message
from app.slides.sandbox.checks import bool_or_none, fraction_or_none, number, sequence, text, whole
from app.slides.sandbox.identity_check import identifier_or_none, identity_from_json
from app.slides.sandbox.shared_memory import Part, SharedMemory
from app.slides.tiles.grid import Grid
from app.slides.tiles.thumbnail_size import thumbnail_size
from app.slides.tissue.sharpness import SAMPLE_TILES
from app.slides.types import COLOURS, DARK, SIDE_MAX_PX, Bounds, Colour, Level, ReadingPlan, SlideInfo, SlideQc, Survey
from app.warning import is_coded

_LEVELS_MAX = 65
IMAGES_MAX = 4096
"""Most directories of a TIFF that are followed."""
_WARNINGS_MAX = 20
_NAMES_MAX_BYTES = 900_000
"""Longest total of file names in an answer, which may have 1 MiB."""
_VENDOR = re.compile("[a-z0-9-]{1,20}")
_FROM_READER = (SlideError, StorageUnavailableError)


@dataclasses.dataclass(frozen=True)
class SurveyLayout:
    """Where a survey's arrays lie in the shared memory; both sides work it out from SlideInfo and plan alone.

    - thumbnail: uint8 [h, w, 3]
    - mask: uint8 [h, w], 0 or 1
    - artefacts: uint8 [h, w], 0 to 2
    - indices: int64 [grid tiles], row-major; the first ``tiles`` of them are valid
    - fractions: float32 [grid tiles]
    """

    thumbnail: Part
    mask: Part
    artefacts: Part
    indices: Part
    fractions: Part

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.fractions.end


def survey_layout(info: SlideInfo, grid: Grid) -> SurveyLayout:
    """The layout for a slide and its full grid."""
    width, height = thumbnail_size(info.width, info.height, info.mpp)
    thumbnail = Part(0, (height, width, 3), np.uint8)
    mask = Part(thumbnail.end, (height, width), np.uint8)
    artefacts = Part(mask.end, (height, width), np.uint8)
    indices = Part(artefacts.end, (grid.tiles,), np.int64)
    return SurveyLayout(thumbnail, mask, artefacts, indices, Part(indices.end, (grid.tiles,), np.float32))


def ring_part(tiles: int, tile_px: int) -> Part:
    """The ring of tiles: uint8 [tiles, tile_px, tile_px, 3]."""
    return Part(0, (tiles, tile_px, tile_px, 3), np.uint8)


def region_part(width: int, height: int) -> Part:
    """A region's pixels: uint8 [height, width, 3]."""
    return Part(0, (height, width, 3), np.uint8)


def colour_from_json(value: object) -> Colour:
    """What was done about the slide's colour profile. Raises ChannelGarbledError."""
    if value not in COLOURS:
        raise ChannelGarbledError("colour")
    return value


def plan_to_json(plan: ReadingPlan) -> Message:
    """The plan as a JSON object."""
    return dataclasses.asdict(plan)


def info_to_json(info: SlideInfo) -> Message:
    """The slide's record as a JSON object."""
    return dataclasses.asdict(info)


def info_from_json(message: Message) -> SlideInfo:
    """The slide's record, every value of it checked. Raises ChannelGarbledError."""
    bounds = message.get("bounds")
    levels = message.get("levels")
    if not (isinstance(levels, list) and 1 <= len(levels) <= _LEVELS_MAX):
        raise ChannelGarbledError("levels")
    source = message.get("mpp_source")
    if source not in ("request", "file", "objective_power"):
        raise ChannelGarbledError("mpp_source")
    power, said = message.get("objective_power"), message.get("mpp_file")
    return SlideInfo(
        vendor=_vendor(message),
        width=whole(message.get("width"), 1, SIDE_MAX_PX),
        height=whole(message.get("height"), 1, SIDE_MAX_PX),
        mpp=number(message.get("mpp"), 0.01, 10),
        mpp_x=number(message.get("mpp_x"), 0.01, 10),
        mpp_y=number(message.get("mpp_y"), 0.01, 10),
        mpp_source=source,
        objective_power=None if power is None else number(power, 0, 1e6),
        levels=tuple(_level(value) for value in levels),
        background=_colour(message.get("background")),
        bounds=None if bounds is None else _bounds(bounds),
        mpp_file=None if said is None else number(said, 0.01, 10),
        identity=identity_from_json(message.get("identity")),
        barcode=identifier_or_none(message, "barcode"),
    )


def files_to_json(files: Iterable[Path], path: Path) -> list[str]:
    """The names of the files of the slide at ``path``, in its folder. SlideTooManyFilesError."""
    names = [file.relative_to(folder_of(path)).as_posix() for file in files]
    if len(json.dumps(names)) > _NAMES_MAX_BYTES:
        raise SlideTooManyFilesError(sentences.TOO_MANY_NAMES)
    return names


def files_from_json(value: object, path: Path) -> tuple[Path, ...]:
    """The files of the slide at ``path``, all of them in its folder, links followed. Raises ChannelGarbledError."""
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise ChannelGarbledError("files")
    folder = folder_of(path)
    files, root = tuple(folder / name for name in value), folder.resolve()
    if any("\0" in name for name in value) or any(
        file != path and not file.resolve().is_relative_to(root) for file in files
    ):
        raise ChannelGarbledError("files")
    return files


def survey_to_json(survey: Survey) -> Message:
    """What of a survey does not travel in shared memory."""
    return {
        "tiles": len(survey.coords),
        "tissue_area_mm2": survey.tissue_area_mm2,
        "qc": dataclasses.asdict(survey.qc),
        "warnings": list(survey.warnings),
    }


def survey_from_memory(message: Message, memory: SharedMemory, info: SlideInfo, grid: Grid) -> Survey:
    """The survey, every value checked and copied out of the shared memory. Raises ChannelGarbledError.

    The thumbnail stays in the shared memory: any of its values is valid, and copying it would delay the tiles.
    """
    layout = survey_layout(info, grid)
    tiles = whole(message.get("tiles"), 0, grid.tiles)
    indices = memory.array(layout.indices)[:tiles].copy()
    fractions = memory.array(layout.fractions)[:tiles].copy()
    if tiles and not (indices[0] >= 0 and indices[-1] < grid.tiles and (np.diff(indices) > 0).all()):
        raise ChannelGarbledError("tile indices")
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ChannelGarbledError("tissue fractions")
    artefacts = memory.array(layout.artefacts).copy()
    if artefacts.max() > DARK:
        raise ChannelGarbledError("artefacts")
    return Survey(
        thumbnail=memory.array(layout.thumbnail),
        tissue_mask=memory.array(layout.mask) != 0,
        artefacts=artefacts,
        coords=grid.coords(indices),
        tissue_fractions=fractions,
        tile_size0=grid.tile_size0,
        grid_columns=len(grid.x0),
        grid_rows=len(grid.y0),
        tissue_area_mm2=number(message.get("tissue_area_mm2"), 0, 1e9),
        qc=qc_from_json(message.get("qc")),
        warnings=warnings_from_json(message.get("warnings")),
    )


def qc_from_json(message: object) -> SlideQc:
    """Quality figures, checked. Raises ChannelGarbledError."""
    if not isinstance(message, dict):
        raise ChannelGarbledError("qc")
    return SlideQc(
        pen_fraction=number(message.get("pen_fraction"), 0, 1),
        dark_fraction=number(message.get("dark_fraction"), 0, 1),
        out_of_focus_fraction=fraction_or_none(message.get("out_of_focus_fraction")),
        stain_he=bool_or_none(message.get("stain_he")),
    )


def sharpness_from_json(value: object, tiles: int) -> tuple[tuple[int, float], ...]:
    """(row, sharpness) of the tiles judged for focus, rows rising below ``tiles``. Raises ChannelGarbledError."""
    if not isinstance(value, list) or len(value) > SAMPLE_TILES:
        raise ChannelGarbledError("sharpness")
    pairs = [sequence(item, 2) for item in value]
    found = tuple((whole(row, 0, tiles - 1), number(sharpness, 0, 1e6)) for row, sharpness in pairs)
    if any(before >= row for (before, _), (row, _) in pairwise(found)):
        raise ChannelGarbledError("sharpness")
    return found


def warnings_from_json(value: object) -> tuple[str, ...]:
    """Warnings of known codes and in our own words, bounded. Raises ChannelGarbledError."""
    if not isinstance(value, list) or len(value) > _WARNINGS_MAX:
        raise ChannelGarbledError("warnings")
    for item in value:
        if not (isinstance(item, str) and is_coded(item) and sentences.is_known(item.partition(": ")[2])):
            raise ChannelGarbledError("warnings")
    return tuple(value)


def error_to_json(error: XmagError, decoder_text: str = "") -> Message:
    """A typed error as an answer. ``decoder_text``: for the log only."""
    return {"op": "error", "code": error.code, "message": error.message, "decoder_text": decoder_text}


def decoder_text(error: XmagError) -> str:
    """The decoder's message that caused ``error``; empty if no decoder caused it."""
    cause = error.__cause__
    return "" if cause is None or isinstance(cause, XmagError) else f"{type(cause).__name__}: {cause}"


def error_from_json(message: Message) -> XmagError:
    """The typed error reported by the reader process; it must be about a slide or its storage.

    A message that is none of ours gives way to the general one: a slide that took the process over may send any text.
    """
    cls = error_for_code(text(message, "code"))
    if not issubclass(cls, _FROM_READER):
        return InternalError("The decoding process reported an error that is not about the slide.")
    said = text(message, "message")
    return cls(said if sentences.is_known(said) else sentences.GENERAL.get(cls.code, sentences.REFUSED))


def _vendor(message: Message) -> str:
    """OpenSlide's name for the format."""
    vendor = text(message, "vendor")
    if not _VENDOR.fullmatch(vendor):
        raise ChannelGarbledError("vendor")
    return vendor


def _level(value: object) -> Level:
    if not isinstance(value, dict):
        raise ChannelGarbledError("level")
    return Level(
        number=whole(value.get("number"), 0, IMAGES_MAX),
        width=whole(value.get("width"), 1, SIDE_MAX_PX),
        height=whole(value.get("height"), 1, SIDE_MAX_PX),
        downsample=number(value.get("downsample"), 1, 1e7),
    )


def _colour(value: object) -> tuple[int, int, int]:
    red, green, blue = sequence(value, 3)
    return whole(red, 0, 255), whole(green, 0, 255), whole(blue, 0, 255)


def _bounds(value: object) -> Bounds:
    if not isinstance(value, dict):
        raise ChannelGarbledError("bounds")
    return Bounds(
        x0=whole(value.get("x0"), 0, SIDE_MAX_PX),
        y0=whole(value.get("y0"), 0, SIDE_MAX_PX),
        width=whole(value.get("width"), 1, SIDE_MAX_PX),
        height=whole(value.get("height"), 1, SIDE_MAX_PX),
    )
