"""A slide seen from the safe side: a reader process decodes, this side checks what it says and sees it die."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from functools import cache
from pathlib import Path

import structlog

from app.errors import DecoderCrashedError, DecoderTimeoutError, InternalError, SlideTooCostlyError, XmagError
from app.slides.closing import Closing
from app.slides.sandbox.channel import ChannelClosedError, ChannelGarbledError, ChannelTimeoutError, Message
from app.slides.sandbox.checks import bool_or_none, fraction_or_none, text, whole
from app.slides.sandbox.confinement import Confined
from app.slides.sandbox.protocol import (
    IMAGES_MAX,
    colour_from_json,
    error_from_json,
    files_from_json,
    info_from_json,
    plan_to_json,
    region_part,
    ring_part,
    sharpness_from_json,
    survey_from_memory,
    survey_layout,
)
from app.slides.sandbox.reader_process import ReaderProcess
from app.slides.sandbox.scrub import scrub
from app.slides.sandbox.shared_memory import SharedMemory
from app.slides.tiles.grid import grid_for
from app.slides.types import Colour, Extent, ReadingPlan, SlideInfo, SlideQc, Survey, TileBatch, UInt8Array

log = structlog.stdlib.get_logger("xmag.slides")
AHEAD = 4
"""Batches that are read beyond those that the consumer has."""
ANSWER_TILES = 4
"""A batch is asked for in pieces of so many tiles: each may take ``batch_timeout_s``, however large the batch is."""


@dataclass(frozen=True)
class ReaderLimits:
    """What a reader process may take: address space in bytes, processor seconds, and seconds until it answers."""

    memory_bytes: int = 4 * 2**30
    cpu_s: int = 1800
    open_timeout_s: float = 60.0
    survey_timeout_s: float = 120.0
    batch_timeout_s: float = 60.0
    region_timeout_s: float = 30.0


DEFAULT_LIMITS = ReaderLimits()


class SlideReader(Closing):
    """A reader process for each slide, one after another. Not for two threads at once, except ``close``.

    Every method raises the slide's typed errors (app.errors), and three more. DecoderCrashedError: the process died or
    broke its protocol. DecoderTimeoutError: it did not answer in time. SlideTooCostlyError: it did not answer in time
    because it was computing. After these three, ``alive`` is False.
    """

    def __init__(self, limits: ReaderLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._process = ReaderProcess(limits.memory_bytes, limits.cpu_s)
        self._seen: list[Path] = []
        self._info: SlideInfo | None = None
        self._plan = ReadingPlan()
        self._survey: Survey | None = None
        self.files: tuple[Path, ...] = ()
        self.colour: Colour | None = None
        self._pending = 0
        self._closing = threading.Lock()
        self._closed = False

    @property
    def pid(self) -> int:
        """Process id of the reader; another one after each slide."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process can be asked for more."""
        return not self._closed and self._process.running

    def open(self, path: Path, mpp: float | None = None) -> SlideInfo:
        """Open the slide at ``path`` (file or folder) in place of the one before; ``mpp`` overrides the file's.

        ``files`` then lists all files of the slide. The process can read this slide and no other, so that each
        slide has a new one. SourceChangedError where ``path`` leads through a link: the caller resolves it, once.
        """
        self._info = self._survey = None
        if self._seen:
            self._renew()
        self._seen.append(path.absolute())
        answer = self._ask({"op": "open", "path": str(path.absolute()), "mpp": mpp}, self._limits.open_timeout_s)
        with self._believing():
            if bool_or_none(answer.get("reading")) is False:
                _warn_once()
        with self._believing():
            info = answer.get("info")
            if not isinstance(info, dict):
                raise ChannelGarbledError("info")
            self._info = info_from_json(info)
            left_out = whole(answer.get("left_out"), 0, IMAGES_MAX)
            self.files = files_from_json(answer.get("files"), path.absolute())
        if left_out:
            log.info("slide.images_ignored", images=left_out)
        return self._info

    def survey(self, plan: ReadingPlan) -> Survey:
        """Thumbnail, tissue mask and the tiles to read; no coords where there is no tissue."""
        if self._info is None:
            raise InternalError("survey() before open()")
        self._plan = plan
        grid = grid_for(self._info, plan)
        memory = SharedMemory.create(survey_layout(self._info, grid).size)
        try:
            request = {"op": "survey", "plan": plan_to_json(plan)}
            answer = self._ask(request, self._limits.survey_timeout_s, memory.fd)
            with self._believing():
                self._survey = survey_from_memory(answer, memory, self._info, grid)
                why_openslide = text(answer, "why_openslide")
        finally:
            memory.close()
        if why_openslide:
            log.info("slide.read_by_openslide", reason=scrub(why_openslide, self._seen, "<slide>"))
        return self._survey

    def tiles(self, batch_tiles: int = 16, keep: int = 2) -> Iterator[TileBatch]:
        """The survey's tiles in order; the pixels of the last ``keep`` batches are valid, those before no more."""
        if self._survey is None:
            raise InternalError("tiles() before survey()")
        total, slots = len(self._survey.coords), keep + AHEAD
        part = ring_part(slots * batch_tiles, self._plan.tile_px)
        memory = SharedMemory.create(part.end)
        try:
            self._ask({"op": "ring", "tiles": slots * batch_tiles}, self._limits.open_timeout_s, memory.fd)
            ring = memory.array(part)
        finally:
            memory.close()
        starts = range(0, total, batch_tiles)

        def pieces(start: int) -> list[range]:
            tiles = range(start, min(start + batch_tiles, total))
            return [tiles[at : at + ANSWER_TILES] for at in range(0, len(tiles), ANSWER_TILES)]

        def ask_for(start: int) -> None:
            for piece in pieces(start):
                at = piece.start % (slots * batch_tiles)
                self._send({"op": "tiles", "start": piece.start, "count": len(piece), "at": at})

        for start in starts[:slots]:
            ask_for(start)
        for number, start in enumerate(starts):
            for _ in pieces(start):
                self._receive("tiles", self._limits.batch_timeout_s)
            at = start % (slots * batch_tiles)
            yield TileBatch(start, ring[at : at + min(batch_tiles, total - start)])
            if (done := number - keep + 1) >= 0:  # its place is free
                for ahead in starts[done + slots : done + slots + 1]:
                    ask_for(ahead)

    def again(self, rows: Sequence[int]) -> UInt8Array:
        """The survey's tiles of a few ``rows``, after ``tiles()`` has come to its end: uint8 [n, px, px, 3]."""
        if self._survey is None:
            raise InternalError("again() before survey()")
        part = ring_part(len(rows), self._plan.tile_px)
        memory = SharedMemory.create(part.end)
        try:
            self._ask({"op": "ring", "tiles": len(rows)}, self._limits.open_timeout_s, memory.fd)
            for at, row in enumerate(rows):
                self._ask({"op": "tiles", "start": int(row), "count": 1, "at": at}, self._limits.batch_timeout_s)
            return memory.array(part).copy()
        finally:
            memory.close()

    def qc_after_tiles(self) -> SlideQc:
        """The survey's figures, with stain, and focus as judged from a sample of the tiles that were read."""
        if self._survey is None:
            raise InternalError("qc_after_tiles() before survey()")
        answer = self._ask({"op": "qc"}, self._limits.batch_timeout_s)
        with self._believing():
            qc = replace(
                self._survey.qc,
                stain_he=bool_or_none(answer.get("stain_he")),
                out_of_focus_fraction=fraction_or_none(answer.get("out_of_focus_fraction")),
                sharpness=sharpness_from_json(answer.get("sharpness"), len(self._survey.coords)),
            )
            by_openslide = whole(answer.get("by_openslide"), 0, 10**9)
        if by_openslide:
            log.info("tiles.read_by_openslide", tiles=by_openslide)
        return qc

    def region(self, extent: Extent, size: tuple[int, int]) -> UInt8Array:
        """``extent`` (level-0 px) for the eye: uint8 [size[1], size[0], 3] sRGB, white beyond the slide."""
        if self._info is None:
            raise InternalError("region() before open()")
        width, height = size
        part = region_part(width, height)
        memory = SharedMemory.create(part.end)
        try:
            request = {"op": "region", "extent": list(astuple(extent)), "size": [width, height]}
            answer = self._ask(request, self._limits.region_timeout_s, memory.fd)
            with self._believing():
                self.colour = colour_from_json(answer.get("colour"))
            return memory.array(part).copy()
        finally:
            memory.close()

    def confined(self) -> Confined:
        """The rights taken from the process; reading is taken once a slide was opened or refused by a decoder."""
        answer = self._ask({"op": "confined"}, self._limits.open_timeout_s)
        with self._believing():
            return Confined(*(bool_or_none(answer.get(each.name)) is True for each in fields(Confined)))

    def close(self) -> None:
        """Kill the process at once. May be called twice, and from another thread to end a read that hangs."""
        with self._closing:
            self._closed = True
            self._process.kill()

    def _renew(self) -> None:
        """Replaces a process that had a slide by a new one."""
        with self._closing:
            if not self._closed:
                self._process.kill()
                self._process = ReaderProcess(self._limits.memory_bytes, self._limits.cpu_s)
                self._pending = 0

    def _ask(self, request: Message, timeout_s: float, *fds: int) -> Message:
        """Send and wait for the answer, past the answers about tiles that nobody waited for."""
        while self._pending:
            self._next_message(self._limits.batch_timeout_s)
        self._send(request, *fds)
        return self._receive(request["op"], timeout_s)

    def _send(self, request: Message, *fds: int) -> None:
        try:
            self._process.send(request, *fds)
        except ChannelClosedError as error:
            raise self._died() from error
        self._pending += 1

    def _receive(self, op: str, timeout_s: float) -> Message:
        """The next answer, which must be one to ``op``; a reported error is raised."""
        message = self._next_message(timeout_s)
        with self._believing():
            if message.get("op") == "error":
                error = error_from_json(message)
                if said := text(message, "decoder_text"):
                    log.info("decoder.refused", reason=scrub(said, self._seen, "<slide>"))
                if (said := text(message, "message")) != error.message:
                    log.warning("decoder.message_replaced", message=scrub(said, self._seen, "<slide>"))
                raise error
            if message.get("op") != op:
                raise ChannelGarbledError("answer to another request")
        return message

    def _next_message(self, timeout_s: float) -> Message:
        began_s = self._process.computed_s()
        try:
            with self._believing():
                message = self._process.receive(timeout_s)
        except ChannelClosedError as error:
            raise self._died() from error
        except ChannelTimeoutError as error:
            computed_s = self._process.computed_s() - began_s
            self.close()
            if computed_s > timeout_s / 2:
                raise _too_costly(computed_s) from error
            raise DecoderTimeoutError(
                f"The slide's decoder gave no answer within {timeout_s:g} s and was ended. The file may be damaged, "
                "or the disk it lies on too slow."
            ) from error
        self._pending -= 1
        return message

    def _died(self) -> XmagError:
        """Tidies up after a process that is gone; the error to raise."""
        if self._closed:
            return DecoderCrashedError("Reading was interrupted.")
        how = self._process.last_words()
        log.warning("reader.died", cause=scrub(str(how), self._seen, "<slide>"))
        self.close()
        if how.by_itself:
            return InternalError("The process that decodes slides stopped with an error of its own. The log has more.")
        if how.out_of_time:
            return _too_costly(self._limits.cpu_s)
        return DecoderCrashedError(
            f"The process that decoded the slide ended: {how.cause}. If that happens again with this slide only, the "
            "file is damaged: export or copy it again."
        )

    @contextmanager
    def _believing(self) -> Iterator[None]:
        """A process that breaks the protocol is ended: it may no longer be ours."""
        try:
            yield
        except ChannelGarbledError as error:
            self.close()
            log.warning("reader.protocol_broken", reason=str(error))
            raise DecoderCrashedError("The process that decoded the slide gave an invalid answer.") from error


@cache
def _warn_once() -> None:
    log.warning("reader.unconfined", reason="neither Landlock (Linux 5.13 or newer) nor a mount namespace is available")


def _too_costly(computed_s: float) -> SlideTooCostlyError:
    """The error for a decoder that used up its processor time: another attempt would take as long."""
    return SlideTooCostlyError(
        f"Decoding the slide was stopped after {computed_s:.0f} s of processor time. The file is damaged or needs more "
        "time than allowed. Export it again as a pyramid of several levels."
    )
