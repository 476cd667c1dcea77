"""Answers the parent's requests with one open slide at a time. Runs in the reader process."""

import os
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from openslide import OpenSlideError

from app.errors import NotASlideError, SlideCorruptError, SlideMissingError, XmagError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.files import slide_files
from app.slides.formats.opening import OpenedSlide, open_slide
from app.slides.formats.storage import blame_storage, memory_error, storage_error
from app.slides.sandbox.channel import Channel, ChannelClosedError, Message
from app.slides.sandbox.confinement import Confinement
from app.slides.sandbox.protocol import (
    decoder_text,
    error_to_json,
    files_to_json,
    info_to_json,
    region_part,
    ring_part,
    survey_layout,
    survey_to_json,
)
from app.slides.sandbox.shared_memory import SharedMemory
from app.slides.tiles.display import Display
from app.slides.tiles.grid import grid_for
from app.slides.tiles.render import undecodable
from app.slides.tiles.survey import survey_slide
from app.slides.tiles.tile_reader import TileReader
from app.slides.tissue.sharpness import FocusSample
from app.slides.tissue.stain import stain_is_he
from app.slides.types import BoolArray, Extent, ReadingPlan, UInt8Array


def serve(sock: socket.socket, confinement: Confinement) -> None:
    """Answer requests until the other side closes. ``confinement``: of this process, before it has a slide."""
    channel = Channel(sock, takes_fds=True)
    service = _Service(channel, confinement)
    while True:
        if not confinement.wait_for_request(sock):
            return
        try:
            request = channel.receive()
        except ChannelClosedError:
            return
        try:
            answer = service.answer(request)
        except XmagError as error:
            answer = error_to_json(error, decoder_text(error))
        try:
            channel.send(answer)
        except ChannelClosedError:
            return


class _Service:
    """The slide that is open."""

    def __init__(self, channel: Channel, confinement: Confinement) -> None:
        self._channel, self._confinement = channel, confinement
        self._opened: OpenedSlide | None = None
        self._path = Path("/")
        self._files: tuple[Path, ...] = ()
        self._plan = ReadingPlan()
        self._reader: TileReader | None = None
        self._display: Display | None = None
        self._ring: UInt8Array = np.empty((0, 0, 0, 3), np.uint8)
        self._focus = FocusSample(0)
        self._seen: tuple[UInt8Array, BoolArray] | None = None  # thumbnail and tissue
        self._handlers: dict[str, Callable[[Message], Message]] = {
            "open": self._open,
            "survey": self._survey,
            "ring": self._take_ring,
            "tiles": self._tiles,
            "qc": self._report_qc,
            "region": self._region,
            "confined": lambda _: asdict(self._confinement.done),
        }

    def answer(self, request: Message) -> Message:
        """The answer to one request, same ``op``. Raises SlideError, StorageUnavailableError."""
        op = request["op"]
        try:
            try:
                return {"op": op, **self._decoded(op, request)}
            except (NotASlideError, SlideCorruptError) as error:
                blame_storage(decoder_text(error), self._files or slide_files(self._path))
                raise
        except OSError as error:
            raise storage_error(error) from error
        except MemoryError as error:
            raise memory_error() from error

    def _decoded(self, op: str, request: Message) -> Message:
        """Also what is asked after an error, as tiles ahead of it are, ends in one: the process stays."""
        try:
            return self._handlers[op](request)
        except OpenSlideError as error:
            raise undecodable() from error

    def _open(self, request: Message) -> Message:
        self._path = Path(request["path"])
        self._opened = opened = open_slide(self._path, request["mpp"], self._shut_in)
        return {
            "info": info_to_json(opened.info),
            "files": files_to_json(opened.found.files, self._path),
            "left_out": opened.slide.level_count - len(opened.info.levels),
            "reading": self._confinement.done.reading,
        }

    def _shut_in(self, entry: Path, files: tuple[Path, ...]) -> None:
        self._confinement.to_slide(entry, files)
        self._files = files

    def _survey(self, request: Message) -> Message:
        fd = self._channel.take_fd()
        opened, plan = self._slide(), ReadingPlan(**request["plan"])
        memory = _mapped(fd)
        self._plan = plan
        grid = grid_for(opened.info, plan)
        layout = survey_layout(opened.info, grid)
        survey = survey_slide(opened, plan, memory.array(layout.thumbnail))
        memory.array(layout.mask)[:] = survey.tissue_mask
        memory.array(layout.artefacts)[:] = survey.artefacts
        columns = np.searchsorted(grid.x0, survey.coords[:, 0])
        rows = np.searchsorted(grid.y0, survey.coords[:, 1])
        memory.array(layout.indices)[: len(survey.coords)] = rows * len(grid.x0) + columns
        memory.array(layout.fractions)[: len(survey.coords)] = survey.tissue_fractions
        self._take_reader(TileReader(opened, plan, survey.coords))
        self._focus = FocusSample(len(survey.coords))
        self._seen = survey.thumbnail, survey.tissue_mask
        return {**survey_to_json(survey), "why_openslide": self._tile_reader().why_openslide}

    def _take_ring(self, request: Message) -> Message:
        fd = self._channel.take_fd()
        memory = _mapped(fd)
        self._ring = memory.array(ring_part(request["tiles"], self._plan.tile_px))
        return {}

    def _tiles(self, request: Message) -> Message:
        reader, start, at = self._tile_reader(), request["start"], request["at"]
        for offset in range(request["count"]):
            tile = reader.tile(start + offset)
            self._ring[at + offset] = tile
            self._focus.look_at(start + offset, tile)
        return {"start": start}

    def _report_qc(self, _: Message) -> Message:
        return {
            "stain_he": None if self._seen is None else stain_is_he(*self._seen),
            "out_of_focus_fraction": self._focus.fraction(),
            "sharpness": self._focus.judged(),
            "by_openslide": self._tile_reader().by_openslide,
        }

    def _region(self, request: Message) -> Message:
        fd = self._channel.take_fd()
        opened, (width, height) = self._slide(), request["size"]
        memory = _mapped(fd)
        if self._display is None:
            self._display = Display(opened)
        memory.array(region_part(width, height))[:] = self._display.region(Extent(*request["extent"]), (width, height))
        return {"colour": self._display.colour}

    def _take_reader(self, reader: TileReader | None) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = reader

    def _tile_reader(self) -> TileReader:
        if self._reader is None:
            raise SlideMissingError(sentences.NOT_SURVEYED)
        return self._reader

    def _slide(self) -> OpenedSlide:
        if self._opened is None:
            raise SlideMissingError(sentences.NOT_OPEN)
        return self._opened


def _mapped(fd: int) -> SharedMemory:
    """Memory that came with a request; it stays mapped without its descriptor."""
    memory = SharedMemory(fd, os.fstat(fd).st_size)
    memory.close()
    return memory
