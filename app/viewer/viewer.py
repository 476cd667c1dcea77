"""A job's slide to look at: Deep Zoom tiles as JPEG, from reader processes, kept in memory for a while.

The slide is looked at as it was sent: never its label or macro, which no line of the service reads.
"""

import time

import simplejpeg
import structlog

from app.errors import (
    JobErasedError,
    JobNotFoundError,
    RecordUnreadableError,
    SlideGoneError,
    SlideMissingError,
    XmagError,
)
from app.from_settings import reader_limits
from app.jobs.intake.source import check_unchanged
from app.records.record import JobRequest
from app.records.store import JobStore
from app.settings import Settings
from app.slides.types import SlideInfo, UInt8Array
from app.system.periodic import Periodic
from app.viewer.deepzoom import DeepZoom
from app.viewer.open_slides import OpenSlideView, SlideViews, Viewed
from app.viewer.tile_cache import TileCache

log = structlog.stdlib.get_logger("xmag.viewer")
JPEG_QUALITY = 85
SWEEP_S = 15.0
SLIDES_KNOWN_MAX = 1000
CHECKED_S = 5.0
"""A slide by path may be many files: whether they changed is not asked for every tile."""


class Viewer:
    """All slides that are looked at. Everything blocks; the slide's typed errors, ViewerBusyError, SlideGoneError."""

    def __init__(self, settings: Settings, store: JobStore) -> None:
        self._store = store
        self._views = SlideViews(settings.viewer_readers, reader_limits(settings))
        self._cache = TileCache(settings.viewer_cache_bytes)
        self._infos: dict[str, SlideInfo] = {}
        self._checked: dict[str, float] = {}
        self._sweeper = Periodic("viewer", self._sweep, every_s=SWEEP_S, first_s=SWEEP_S)
        self._sweeper.start()

    def close(self) -> None:
        """End the readers."""
        self._views.close()
        self._sweeper.stop()

    def pyramid(self, request: JobRequest) -> DeepZoom:
        """The slide's Deep Zoom pyramid. Also SourceChangedError, for a slide by path that is not what it was."""
        info = self._infos.get(request.id)
        if info is None:
            info = self._opened(request)
        return DeepZoom(info.width, info.height)

    def open_ahead(self, request: JobRequest) -> None:
        """Open the slide for somebody who is about to look at it, and draw the tile that viewers begin with.

        What is wrong with the slide is told to whoever asks for it next.
        """
        if request.id in self._views.names():
            return
        try:
            self.check_kept(request)
            self._opened(request)
        except XmagError as error:
            log.info("slide.not_prefetched", job=request.id, code=error.code)

    def check_kept(self, request: JobRequest) -> None:
        """SlideGoneError when the slide was erased, or is no longer where it was; SourceChangedError."""
        if not self._store.slide_path(request).exists():
            self.forget(request.id)
            raise SlideGoneError("The slide is no longer kept, or not where it was; the results are.")
        moment = time.monotonic()
        if moment - self._checked.get(request.id, float("-inf")) < CHECKED_S:
            return
        try:
            check_unchanged(request)
        except SlideMissingError as error:
            raise SlideGoneError("The slide is no longer where it was; the results are kept.") from error
        self._checked[request.id] = moment

    def cached(self, request: JobRequest, level: int, column: int, row: int) -> bytes | None:
        """A tile that is in memory; does not block."""
        return self._cache.get(request.id, _name(level, column, row))

    def tile(self, request: JobRequest, level: int, column: int, row: int) -> bytes | None:
        """A tile as JPEG; None where the pyramid has none."""
        pyramid = self.pyramid(request)
        if not pyramid.has(level, column, row):
            return None
        found = self._cache.get(request.id, _name(level, column, row))
        if found is None:
            with self._views.lease(self._viewed(request)) as view:
                found = self._drawn(request.id, view, pyramid, (level, column, row))
        return found

    def forget(self, job_id: str) -> None:
        """Let go of a slide, and of every picture of it."""
        self._views.forget(job_id)
        self._cache.forget(job_id)
        self._infos.pop(job_id, None)
        self._checked.pop(job_id, None)

    def _opened(self, request: JobRequest) -> SlideInfo:
        """Open the slide and draw the tile that viewers begin with: only then its colours are known to be true."""
        with self._views.lease(self._viewed(request)) as view:
            pyramid = DeepZoom(view.info.width, view.info.height)
            self._drawn(request.id, view, pyramid, (pyramid.last_single, 0, 0))
            return view.info

    def _known(self, job_id: str, view: OpenSlideView) -> SlideInfo:
        if view.reader.colour == "unusable" and view.uses == 0:
            log.warning("slide.colour_profile_unusable", job=job_id)
        if len(self._infos) >= SLIDES_KNOWN_MAX:
            self._infos.clear()
            self._checked.clear()
        self._infos[job_id] = view.info
        return view.info

    def _drawn(self, job_id: str, view: OpenSlideView, pyramid: DeepZoom, place: tuple[int, int, int]) -> bytes:
        picture = _jpeg(view.reader.region(*pyramid.tile(*place)))
        self._known(job_id, view)
        self._cache.put(job_id, _name(*place), picture)
        return picture

    def _viewed(self, request: JobRequest) -> Viewed:
        return Viewed(request.id, self._store.slide_path(request), request.mpp)

    def _sweep(self) -> None:
        """Also lets go of slides that another process erased."""
        self._views.sweep()
        for job_id in self._views.names() | self._cache.names():
            if not self._is_kept(job_id):
                self.forget(job_id)

    def _is_kept(self, job_id: str) -> bool:
        try:
            return self._store.slide_path(self._store.request(job_id)).exists()
        except (JobErasedError, JobNotFoundError):
            return False
        except (OSError, RecordUnreadableError):  # a share that is away: what is open may go on when it comes back
            return True


def _name(level: int, column: int, row: int) -> str:
    return f"{level}/{column}_{row}"


def _jpeg(pixels: UInt8Array) -> bytes:
    """4:4:4: the violet of a nucleus ends where the nucleus does."""
    return bytes(simplejpeg.encode_jpeg(pixels, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="444"))
