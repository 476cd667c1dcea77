"""One slide through one model: open, survey, read and embed tiles, aggregate. Joins slides and inference."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.analysis.document import build_document
from app.analysis.prediction import top_tiles
from app.analysis.reading_plan import reading_plan
from app.errors import NoTissueError, SourceChangedError, TaskNotFoundError
from app.identity import IdentityPolicy, identity_warnings
from app.inference.device import Claim, Device, Embeddings
from app.inference.manifest import Manifest
from app.inference.model import Model
from app.results.pictures.small_thumbnail import shrunk
from app.results.schema import JobPart, TopTilePart
from app.results.slide_result import HeadMap, SlideResult
from app.slides.formats.hashing import hash_files
from app.slides.sandbox.reader import SlideReader
from app.slides.types import BoolArray, Float32Array, SlideQc, Survey, UInt8Array
from app.stated import Stated
from app.system.process import BEHIND_READERS, let_thread_give_way

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total); may raise to stop the analysis."""

IN_LINE = 4
"""Orders of a slide at the device for each of its lanes: one is computed, others wait. They are computed and collected
in order: while the first has lost its core, the other lanes have those behind it to do."""
TURN_WAIT_S = 0.1


@dataclass(frozen=True)
class SlideRequest:
    """What to analyse.

    ``sha256`` and ``size_bytes``: known from an upload, else found while the slide is read. ``files``: what the slide
    has to consist of, where that is known. ``urgency`` among the slides that share a device: 0 is the most urgent.
    ``job``: for the result, where there is one.
    """

    path: Path
    stated: Stated = field(default_factory=Stated)
    tasks: tuple[str, ...] = ()
    identity_policy: IdentityPolicy = "refuse"
    sha256: str | None = None
    size_bytes: int | None = None
    files: tuple[Path, ...] | None = None
    urgency: int = 0
    job: JobPart | None = None


class EmptySlideError(NoTissueError):
    """No tissue on the slide; carries the mask that says so, bool [h, w] in the thumbnail's frame."""

    def __init__(self, tissue_mask: BoolArray) -> None:
        super().__init__(
            "No tissue was found on the slide. Check that the scan is not blank or covered by ink, and that the tissue "
            "is inside the scanned area. The tissue mask shows what was taken for tissue."
        )
        self.tissue_mask = tissue_mask


@dataclass(frozen=True)
class Means:
    """What an analysis works with.

    ``manifest`` is the model's. ``model`` is called, and waited for, once the slide is surveyed. The reader serves this
    slide alone. The device is shared with other slides.
    """

    manifest: Manifest
    model: Callable[[], Model]
    reader: SlideReader
    device: Device


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the block's duration to ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def analyze(request: SlideRequest, means: Means, progress: Progress) -> SlideResult:
    """Analyse one slide; typed errors of app.errors, EmptySlideError among them, when it cannot be."""
    reader = means.reader
    watch = Stopwatch()
    start = time.perf_counter()
    with _beside() as (beside, is_over):
        progress("open", 0, 1)
        with watch.stage("open"):
            info = reader.open(request.path, request.stated.mpp)
        _check_files(request, reader.files)
        differences = identity_warnings(request.stated, info, request.identity_policy)
        digest = beside.submit(_identify, request, reader.files, is_over)
        progress("survey", 0, 1)
        with watch.stage("survey"):
            survey = reader.survey(reading_plan(means.manifest))
        if len(survey.coords) == 0:
            raise EmptySlideError(survey.tissue_mask)
        small = beside.submit(shrunk, survey.thumbnail)
        with watch.stage("model_wait"):
            model = means.model()
        tasks = request.tasks or tuple(model.heads)
        _check_tasks(tasks, model)
        features, qc = _embed(_Tiles(survey, reader, request.urgency), model, means.device, progress, watch)
        progress("aggregate", 0, 1)
        with watch.stage("aggregate"):
            outputs = {task: model.heads[task].run(features) for task in tasks}
            tops = [
                part
                for task, output in outputs.items()
                for part in top_tiles(model.heads[task].head, output, survey.coords, survey.tissue_fractions)
            ]
        with watch.stage("top_tiles"):
            top_pictures = _pictures(tops, reader, model.manifest.tile_px)
        with watch.stage("hash_wait"):
            sha256, size_bytes = digest.result()
        with watch.stage("thumbnail_wait"):
            thumbnail = small.result()
    watch.seconds["total"] = time.perf_counter() - start
    survey = replace(survey, qc=qc)
    document = build_document(
        model=model,
        info=info,
        survey=survey,
        outputs=outputs,
        tops=tops,
        job=request.job,
        differences=differences,
        stated=request.stated.named(info.identity),
        sha256=sha256,
        size_bytes=size_bytes,
        timings_s=watch.seconds,
    )
    return SlideResult(
        document=document,
        thumbnail=thumbnail,
        tissue_mask=survey.tissue_mask,
        artefacts=survey.artefacts,
        coords=survey.coords,
        tissue_fractions=survey.tissue_fractions,
        sharpness=_sharpness(qc, len(survey.coords)),
        features=features,
        top_pictures=top_pictures,
        heads=tuple(
            HeadMap(task, tuple(model.heads[task].head.labels), output.attention, output.tile_scores)
            for task, output in outputs.items()
        ),
    )


def _check_tasks(tasks: tuple[str, ...], model: Model) -> None:
    """TaskNotFoundError for what the loaded model has no head for: its folder may hold a newer one."""
    missing = [task for task in tasks if task not in model.heads]
    if missing:
        manifest = model.manifest
        raise TaskNotFoundError(
            f"Model {manifest.name} {manifest.version}, as it is loaded, has no task {', '.join(missing)}. It has: "
            f"{', '.join(model.heads)}. If it was replaced, restart the workers and send the slide again."
        )


@contextmanager
def _beside() -> Iterator[tuple[ThreadPoolExecutor, Callable[[], bool]]]:
    """A thread for what nobody waits for before the end, and whether that has come; leaving cancels the rest.

    The survey, for which all wait, leaves half a core.
    """
    over = threading.Event()
    beside = ThreadPoolExecutor(1, "beside", let_thread_give_way, (BEHIND_READERS,))
    try:
        yield beside, over.is_set
    finally:
        over.set()
        beside.shutdown(wait=False, cancel_futures=True)


def _check_files(request: SlideRequest, files: tuple[Path, ...]) -> None:
    """A level file may have been added or removed since the request."""
    if request.files is not None and {*request.files} != {*files}:
        raise SourceChangedError("The slide's files changed after the request. Send the request again.")


def _identify(request: SlideRequest, files: tuple[Path, ...], is_over: Callable[[], bool]) -> tuple[str, int]:
    """Sha256 and size of the slide."""
    if request.sha256 is not None and request.size_bytes is not None:
        return request.sha256, request.size_bytes
    return hash_files(files, is_over)


@dataclass(frozen=True)
class _Tiles:
    """Where tiles come from, and how urgent they are."""

    survey: Survey
    reader: SlideReader
    urgency: int


def _embed(
    tiles: _Tiles, model: Model, device: Device, progress: Progress, watch: Stopwatch
) -> tuple[Float32Array, SlideQc]:
    """The tiles' embeddings, and the figures that the reader has to tell after the last one."""
    total = len(tiles.survey.coords)
    features = np.empty((total, model.manifest.embedding_dim), np.float32)
    progress("tiles", 0, total)
    line = IN_LINE * model.embedder.lanes
    batches = iter(tiles.reader.tiles(model.embedder.order_tiles, keep=line))
    in_line: deque[tuple[int, Future[Embeddings]]] = deque()

    def collect() -> None:
        start, answer = in_line[0]
        with watch.stage("embed"):
            while not (answer.done() or answer.running()):
                progress("tiles", start, total)  # not wanted any more, it need not wait for its turn
                wait([answer], TURN_WAIT_S)
            found = answer.result()
        in_line.popleft()
        features[start : start + len(found)] = found
        progress("tiles", start + len(found), total)

    try:
        while True:
            with watch.stage("read_wait"):
                batch = next(batches, None)
            if batch is None:
                break
            claim = Claim(tiles.urgency, total - batch.start, slide=tiles)
            in_line.append((batch.start, device.submit(model.embedder, batch.tiles, claim)))
            if len(in_line) == line:
                collect()
        with watch.stage("qc"):  # while the device has batches in line
            qc = tiles.reader.qc_after_tiles()
        while in_line:
            collect()
    finally:
        for _, answer in in_line:
            answer.cancel()
    return features, qc


def _pictures(tops: list[TopTilePart], reader: SlideReader, tile_px: int) -> UInt8Array:
    """The top tiles once more: uint8 [T, px, px, 3]. Which they are is known only after the last tile was read."""
    rows = sorted({top.index for top in tops})
    if not rows:
        return np.empty((0, tile_px, tile_px, 3), np.uint8)
    pictures: UInt8Array = reader.again(rows)[[rows.index(top.index) for top in tops]]
    return pictures


def _sharpness(qc: SlideQc, tiles: int) -> Float32Array:
    values = np.full(tiles, np.nan, np.float32)
    for row, sharpness in qc.sharpness:
        values[row] = sharpness
    return values
