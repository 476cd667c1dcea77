"""The command `xmag`. Heavy modules are imported inside the commands, so that each starts quickly."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from app.access.cli import audit_cli, keys_cli
from app.client import options
from app.client.cli import submit
from app.errors import ModelError, RequestInvalidError, SetupError, SlideError, XmagError
from app.slides.formats.catalogue import STRIPPABLE_NAMES, listed

if TYPE_CHECKING:
    from app.settings import Settings

cli = typer.Typer(
    name="xmag",
    help="Whole-slide analysis at 5x (2.0 µm/px). Research use: not a diagnostic device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(keys_cli, name="keys")
cli.add_typer(audit_cli, name="audit")
out, err = Console(), Console(stderr=True)
EXIT_FAILED, EXIT_USAGE, EXIT_SETUP = 1, 2, 78


def _version(wanted: bool) -> None:
    if wanted:
        print(version("xmag-serve"))  # noqa: T201 (the version is the answer)
        raise typer.Exit


@cli.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Whole-slide analysis at 5x (2.0 µm/px). Research use: not a diagnostic device."""


def main() -> None:
    """Entry point: typed errors become one line on standard error and an exit code."""
    try:
        cli()
    except (SetupError, ModelError, RequestInvalidError) as error:
        _give_up(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("app"):
            raise
        package = error.name.partition(".")[0]
        _give_up(SetupError(f"{package} is not installed in {sys.prefix}. `make setup`, then .venv/bin/xmag, has it."))


def _give_up(error: XmagError) -> NoReturn:
    """Of what should run for long the supervisor learns that starting again would not help, and the log why."""
    if sys.argv[1:2] not in (["serve"], ["api"], ["worker"]):
        _fail(error, EXIT_USAGE)
    import structlog

    if err.is_terminal or not structlog.is_configured():  # settings that are wrong say nothing of logs
        _fail(error, EXIT_SETUP)
    structlog.stdlib.get_logger("xmag").critical("process.cannot_run", code=error.code, reason=error.message)
    sys.exit(EXIT_SETUP)


def _fail(error: XmagError, code: int) -> NoReturn:
    err.print(f"[bold red]{error.code}[/]: ", end="")
    err.print(error.message, markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _log_warnings() -> None:
    """What a command run by hand logs goes to standard error, from warnings on: its output is the answer."""
    from app.system.logs import configure_logs

    configure_logs("warning", "text")


def _settings() -> "Settings":
    from app.settings import load_settings  # half of what starting would take

    return load_settings()


@cli.command()
def serve() -> None:
    """Run API, worker and queue on this machine. Ctrl-C ends them."""
    from app.run.serve import serve as run
    from app.system.logs import configure_logs

    settings = _settings()
    configure_logs(settings.log_level, settings.log_format)
    run(settings, lambda text: print(text, flush=True))  # noqa: T201 (the address is the command's answer)


@cli.command(hidden=True)
def api(fd: Annotated[int | None, typer.Option(help="a listening socket to inherit")] = None) -> None:
    """Run the API alone (what `serve` starts)."""
    import socket

    from app.run.api_process import run_api

    run_api(_settings(), None if fd is None else socket.socket(fileno=fd))


@cli.command()
def worker() -> None:
    """Run one worker. It needs the queue (XMAG_REDIS_URL) and the data folder (XMAG_DATA_DIR). SIGTERM ends it."""
    from app.run.worker_process import run_worker
    from app.system.logs import configure_logs

    settings = _settings()
    configure_logs(settings.log_level, settings.log_format)
    run_worker(settings)


@cli.command()
@options.with_stated
def analyze(
    slide: Annotated[Path, typer.Argument(exists=True, readable=True, help="Slide file, folder (DICOM) or .zip.")],
    out_dir: Annotated[
        Path, typer.Option("--out", file_okay=False, help="Folder for the results. Created if missing.")
    ],
    chosen: options.Chosen,
    model: Annotated[
        str | None, typer.Option(help="Name of the model; see `xmag models`. Default: the only one.")
    ] = None,
    task: options.Tasks = None,
) -> None:
    """Analyse one slide on this machine, without server or queue.

    Exit codes: 0 done, 1 the slide failed, 2 wrong usage or set-up.
    """
    from app.slides.sandbox.reader_process import prepare_readers

    prepare_readers()  # they load while this process does
    _log_warnings()
    from app.analysis.local import LocalRequest, analyze_locally
    from app.results.summary import summary_lines

    settings = _settings()
    request = LocalRequest(slide, out_dir, model, tuple(task or ()), options.stated(chosen))
    try:
        with _progress_bar() as report:
            document = analyze_locally(request, settings, report)
    except ModelError:
        raise
    except XmagError as error:
        _fail(error, EXIT_FAILED)
    except OSError as error:
        raise SetupError(f"Reading the slide or writing to {out_dir} failed: {error.strerror}.") from error
    out.print(f"{slide.name}", markup=False, highlight=False, soft_wrap=True)
    for line in summary_lines(document):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    out.print(f"Files: {out_dir}/", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, silence elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("open", total=1)

        def report(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        yield report


cli.command()(submit)


@cli.command()
def strip(
    slide: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=f"{listed(STRIPPABLE_NAMES)} file.")
    ],
    out_file: Annotated[Path, typer.Option("--out", dir_okay=False, help="The copy. Must not exist yet.")],
) -> None:
    """Make a de-identified copy of a slide: no label, macro or thumbnail image, no names, dates or comments.

    Check the copy before you share it: its pixels are unchanged. Handwriting on the glass that was scanned with
    the tissue is still visible. Pixels beyond the image's edge, which fill the last tiles, stay too.

    Exit codes: 0 done, 1 this slide cannot be de-identified, 2 wrong usage.
    """
    from app.slides.formats.anonymise.strip import strip_slide
    from app.slides.sandbox.reader import SlideReader

    _log_warnings()
    any_mpp = 0.5  # a slide that does not say its resolution can be stripped too
    try:
        with SlideReader() as reader:
            info = reader.open(slide.resolve(), any_mpp)
            found = strip_slide(slide, out_file, info)
            copied = reader.open(out_file.resolve(), any_mpp).levels
            if [replace(level, number=0) for level in copied] != [replace(level, number=0) for level in info.levels]:
                out_file.unlink()
                raise SlideError("The copy would lack a level of the pyramid: this kind of slide cannot be stripped.")
    except RequestInvalidError:
        raise
    except XmagError as error:
        _fail(error, EXIT_FAILED)
    except OSError as error:
        raise SetupError(f"Reading the slide or writing {out_file} failed: {error.strerror}.") from error
    images = "1 image" if found.kept == 1 else f"{found.kept} images"
    out.print(f"{out_file}: {images} kept, {found.removed} removed", highlight=False)


@cli.command()
def models() -> None:
    """List the installed models: version, tasks, training and validation."""
    from app.inference.registry import ModelRegistry

    registry = ModelRegistry(_settings().models_dir)
    for name in registry.names():
        manifest = registry.manifest(name)
        out.print(f"{name} {manifest.version}", highlight=False, markup=False)
        for head in manifest.heads:
            trained, validated = ("yes" if known else "NO" for known in (head.trained, head.validated))
            out.print(f"  {head.task}: {', '.join(head.labels)}", highlight=False, markup=False)
            out.print(f"    trained: {trained}, validated: {validated}", highlight=False)
            out.print(f"    {head.intended_use}", highlight=False, markup=False, soft_wrap=True)
    problems = registry.problems()
    for name, reason in problems.items():
        err.print(f"{name}: {reason}", style="red", markup=False)
    if problems or not registry.names():
        raise typer.Exit(EXIT_FAILED)


@cli.command()
def doctor() -> None:
    """Test each part of this installation: settings, disk, queue, runtime, GPU, models.

    Exit codes: 0 all parts work, 1 one does not.
    """
    from app.run.doctor import examine

    _log_warnings()
    settings = _settings()
    findings = examine(settings)
    for finding in findings:
        mark = "[green]ok  [/]" if finding.is_fine else "[bold red]FAIL[/]"
        out.print(f"{mark} {finding.what:<10} ", end="")
        out.print(finding.says, markup=False, highlight=False, soft_wrap=True)
    if not all(finding.is_fine for finding in findings):
        raise typer.Exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
