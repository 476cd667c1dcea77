"""`xmag analyze`: one slide on this machine, without server or queue."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.analysis.installed_model import installed_model
from app.analysis.pipeline import EmptySlideError, Means, Progress, SlideRequest, analyze
from app.errors import TaskNotFoundError
from app.from_settings import reader_limits
from app.inference.device import Device
from app.inference.manifest import Manifest
from app.inference.registry import ModelRegistry
from app.results.catalogue import RESULT, STORED
from app.results.files.write import write_results, write_tissue_mask
from app.results.schema import ResultDocument
from app.settings import Settings
from app.slides.formats.archive.archive import ArchiveLimits, blaming_zip, extract_slide_zip, is_zip
from app.slides.sandbox.reader import SlideReader
from app.stated import Stated


@dataclass(frozen=True)
class LocalRequest:
    """What was asked for on the command line."""

    slide: Path
    out: Path
    model: str | None
    tasks: tuple[str, ...]
    stated: Stated


def analyze_locally(request: LocalRequest, settings: Settings, progress: Progress) -> ResultDocument:
    """Analyse the slide and put the files into ``request.out``, all of them or none.

    Typed errors when that cannot be; a slide without tissue leaves its tissue_mask.png there.
    """
    registry = ModelRegistry(settings.models_dir)
    name = registry.default(request.model, settings.model)
    manifest = registry.manifest(name)
    _check_tasks(request.tasks, manifest)
    with ThreadPoolExecutor(1) as beside:
        loading = beside.submit(installed_model, settings, registry.folder(name))
        with (
            SlideReader(reader_limits(settings)) as reader,
            _slide(request.slide.resolve(), settings) as slide,
            closing(Device()) as device,
            _output(request.out) as folder,
        ):
            means = Means(manifest, loading.result, reader, device)
            wanted = SlideRequest(slide, request.stated, request.tasks, settings.identity_conflict)
            try:
                result = analyze(wanted, means, progress)
            except EmptySlideError as error:
                write_tissue_mask(error.tissue_mask, folder)
                _publish(folder, request.out)
                raise
            progress("write", 0, 1)
            write_results(result, folder)
            _publish(folder, request.out)
            progress("write", 1, 1)
            return result.document


def _check_tasks(tasks: tuple[str, ...], manifest: Manifest) -> None:
    known = [head.task for head in manifest.heads]
    for task in tasks:
        if task not in known:
            raise TaskNotFoundError(f"Model {manifest.name} has no task {task}. It has: {', '.join(known)}.")


@contextmanager
def _slide(path: Path, settings: Settings) -> Iterator[Path]:
    if not (path.is_file() and is_zip(path)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="xmag-") as folder:
        limits = ArchiveLimits(total_bytes=settings.upload_max_bytes)
        slide = Path(folder).resolve() / "slide"
        extract_slide_zip(path, slide, limits)
        with blaming_zip(slide):
            yield slide


@contextmanager
def _output(out: Path) -> Iterator[Path]:
    """A folder beside the final files, so that each moves into place in one step."""
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    _clear(out)  # whatever this slide gives, it must not lie beside the results of another
    folder = out / f".partial-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if made and not any(out.iterdir()):
            out.rmdir()


def _clear(out: Path) -> None:
    for output in STORED:
        for file in out.glob(output.files):
            file.unlink()


def _publish(folder: Path, out: Path) -> None:
    for file in sorted(folder.iterdir(), key=lambda path: path.name == RESULT.name):
        file.replace(out / file.name)
