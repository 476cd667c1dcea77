"""The command `xmag`. Heavy modules are imported inside the commands, so that each starts quickly."""

import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from app.client.cli import submit
from app.errors import ModelError, RequestInvalidError, SetupError, SlideError, XmagError

if TYPE_CHECKING:
    from app.audit import Action
    from app.keys import KeyStore
    from app.settings import Settings

cli = typer.Typer(
    name="xmag",
    help="Whole-slide analysis at 5x (2.0 µm/px). Research use: not a diagnostic device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_cli = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
cli.add_typer(keys_cli, name="keys")
audit_cli = typer.Typer(help="The log of who did what.", no_args_is_help=True)
cli.add_typer(audit_cli, name="audit")
out, err = Console(), Console(stderr=True)
EXIT_FAILED, EXIT_USAGE, EXIT_SETUP = 1, 2, 78
WORKER_NICENESS = 10


def _version(wanted: bool) -> None:
    if wanted:
        print(version("xmag-serve"))  # noqa: T201 (the version is the answer)
        raise typer.Exit


@cli.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="print it and exit")] = False,
) -> None:
    """Whole-slide analysis at 5x (2.0 µm/px). Research use: not a diagnostic device."""


def main() -> None:
    """Entry point: typed errors become one line on standard error and an exit code."""
    try:
        cli()
    except (SetupError, ModelError, RequestInvalidError) as error:
        _give_up(error)
    except ModuleNotFoundError as error:
        package = (error.name or "app").partition(".")[0]
        if package == "app":
            raise
        missing = f"{package} is not installed in {sys.prefix}, which is not the service's own environment"
        _give_up(SetupError(f"{missing} (training's has a part of its packages): `make setup`, then .venv/bin/xmag."))


def _give_up(error: XmagError) -> NoReturn:
    """Of what should run for long the supervisor learns that starting again would not help, and the log why."""
    if sys.argv[1:2] not in (["serve"], ["api"], ["worker"]):
        _fail(error, EXIT_USAGE)
    import structlog

    if err.is_terminal or not structlog.is_configured():  # settings that are wrong say nothing of logs
        _fail(error, EXIT_SETUP)
    structlog.stdlib.get_logger("xmag").critical("cannot run", code=error.code, reason=error.message)
    sys.exit(EXIT_SETUP)


def _fail(error: XmagError, code: int) -> NoReturn:
    err.print(f"[bold red]{error.code}[/]: ", end="")
    err.print(error.message, markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _settings() -> "Settings":
    from app.settings import load_settings  # half of what starting would take

    return load_settings()


@cli.command()
def serve() -> None:
    """Run API, worker and queue on this machine until Ctrl-C."""
    from app.logs import configure_logs
    from app.serve import serve as run

    settings = _settings()
    configure_logs(settings.log_level, settings.log_format)
    run(settings, lambda text: print(text, flush=True))  # noqa: T201 (the address is the command's answer)


@cli.command(hidden=True)
def api(fd: Annotated[int | None, typer.Option(help="a listening socket to inherit")] = None) -> None:
    """Run the API alone (what `serve` starts)."""
    import socket

    from app.api_process import run_api

    run_api(_settings(), None if fd is None else socket.socket(fileno=fd))


@cli.command()
def worker() -> None:
    """Run one worker against XMAG_REDIS_URL and the data folder, until SIGTERM."""
    import structlog

    from app.audit import AuditLog
    from app.jobs.copies import Copies
    from app.jobs.embedded import queue_address
    from app.jobs.erase import Eraser
    from app.jobs.idempotency import Claims
    from app.jobs.queue import JobQueue, connect
    from app.jobs.reconcile import Reconciler
    from app.jobs.retention import Retention
    from app.jobs.store import JobStore
    from app.jobs.worker import Worker
    from app.logs import configure_logs
    from app.process import give_way
    from app.settings import prepare_data_dir

    log = structlog.stdlib.get_logger("xmag.worker")
    settings = _settings()
    configure_logs(settings.log_level, settings.log_format)
    prepare_data_dir(settings)
    url, embedded = queue_address(settings)
    if not give_way(WORKER_NICENESS):  # polls and uploads are answered first
        log.warning("the kernel lets the worker give way within its own session only")
    store, queue = JobStore(settings.jobs_dir), JobQueue(connect(url), settings.lease_s)
    work = Worker(settings, store, queue)
    asked = iter([work.stop])
    for number in (signal.SIGTERM, signal.SIGINT):  # the second time, a job in hand is handed back at once
        signal.signal(number, lambda *_: next(asked, work.hurry)())
    audit = AuditLog(settings.data_dir)
    eraser = Eraser(store, Claims(settings.data_dir / "idempotency"), audit)
    reconciler = Reconciler(store, queue, audit, Retention(settings, store, eraser), Copies(settings))
    reconciler.start()
    try:
        work.run()
    except ModelError as error:
        raise SetupError(error.message) from error  # starting again would not help
    finally:
        reconciler.stop()
        if embedded is not None:
            embedded.stop()


@cli.command()
def analyze(
    slide: Annotated[Path, typer.Argument(exists=True, readable=True, help="slide file, folder (DICOM) or .zip")],
    out_dir: Annotated[Path, typer.Option("--out", file_okay=False, help="folder for the results; made if missing")],
    model: Annotated[str | None, typer.Option(help="default: the only one")] = None,
    task: Annotated[list[str] | None, typer.Option(help="head to run, may be repeated; default: all")] = None,
    mpp: Annotated[float | None, typer.Option(min=0.0, help="µm/px at level 0; overrides the file's")] = None,
    stain: Annotated[str | None, typer.Option(help="for example H&E")] = None,
    organ: Annotated[str | None, typer.Option(help="for example lung")] = None,
) -> None:
    """Analyse one slide here, without server or queue. Exit code 0: done, 1: the slide failed, 2: usage."""
    from app.slides.reader_process import prepare_readers

    prepare_readers()  # they load while this process does
    from app.local import LocalRequest, analyze_locally
    from app.results.summary import summary_lines

    if mpp is not None and not math.isfinite(mpp):
        raise RequestInvalidError("--mpp must be a number of µm per pixel.")
    settings = _settings()
    request = LocalRequest(slide, out_dir, model, tuple(task or ()), mpp, stain, organ)
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
    slide: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="SVS or tiled TIFF")],
    out_file: Annotated[Path, typer.Option("--out", dir_okay=False, help="the copy; must not exist yet")],
) -> None:
    """Copy a slide without label, macro and thumbnail, and without names and dates. Exit code 0: done, 1: cannot."""
    from app.slides.reader import SlideReader
    from app.slides.strip import strip_slide

    any_mpp = 0.5  # a slide that does not say its resolution can be stripped too
    try:
        with SlideReader() as reader:
            info = reader.open(slide, any_mpp)
            found = strip_slide(slide, out_file, vendor=info.vendor, level_sizes=info.level_sizes)
            if reader.open(out_file, any_mpp).level_sizes != info.level_sizes:
                out_file.unlink()
                raise SlideError("The copy would lack a level of the pyramid: this kind of slide cannot be stripped.")
    except RequestInvalidError:
        raise
    except XmagError as error:
        _fail(error, EXIT_FAILED)
    except OSError as error:
        raise SetupError(f"Reading the slide or writing {out_file} failed: {error.strerror}.") from error
    out.print(f"{out_file}: {found.kept} images of the pyramid kept, {found.removed} others removed", highlight=False)


@cli.command()
def models() -> None:
    """List the exported models and what they are worth."""
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
    """Say what is wrong with this set-up: settings, disk, queue, runtime, GPU, models."""
    from app.doctor import examine

    settings = _settings()
    findings = examine(settings)
    for finding in findings:
        mark = "[green]ok  [/]" if finding.is_fine else "[bold red]FAIL[/]"
        out.print(f"{mark} {finding.what:<10} ", end="")
        out.print(finding.says, markup=False, highlight=False, soft_wrap=True)
    if not all(finding.is_fine for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def _key_store() -> "KeyStore":
    from app.keys import KeyStore
    from app.settings import prepare_data_dir

    settings = _settings()
    prepare_data_dir(settings)
    return KeyStore(settings.data_dir)


def _audit_key(action: "Action", detail: str, tenant: str = "") -> None:
    import os

    from app.audit import Actor, AuditLog, Event
    from app.logs import configure_logs

    settings = _settings()
    configure_logs(settings.log_level, settings.log_format)  # to standard error: the output is the key alone
    AuditLog(settings.data_dir).append(Event(action, Actor(f"console:{os.getuid()}"), None, tenant, detail))


@keys_cli.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="who or what uses it")],
    scope: Annotated[
        list[str] | None, typer.Option(help="analyze, read or admin; repeat for several [default: analyze, read]")
    ] = None,
    tenant: Annotated[str, typer.Option(help="whose jobs it sees; keys of a tenant see the same")] = "default",
) -> None:
    """Make a key. It is shown once."""
    from app.keys import SCOPES

    wanted = scope or ["analyze", "read"]
    unknown = [item for item in wanted if item not in SCOPES]
    if unknown:
        raise RequestInvalidError(f"There is no scope {', '.join(unknown)}. Scopes: {', '.join(SCOPES)}.")
    scopes = tuple(known for known in SCOPES if known in wanted)
    token = _key_store().create(name, tenant, scopes)
    _audit_key("key.create", f"{name} {','.join(scopes)}", tenant)
    print(token)  # noqa: T201 (the key is the answer)
    err.print("Keep it now: it is not shown again. Send it as  Authorization: Bearer KEY", highlight=False)


@keys_cli.command("list")
def keys_list() -> None:
    """List the keys; never their text."""
    from rich.table import Table

    table = Table("name", "tenant", "scopes", "made")
    for key in _key_store().all():
        table.add_row(key.name, key.tenant, ", ".join(key.scopes), key.created_at)
    out.print(table)


@keys_cli.command("revoke")
def keys_revoke(name: Annotated[str, typer.Argument(help="as `xmag keys list` shows it")]) -> None:
    """Make a key open nothing, at once."""
    store = _key_store()
    store.revoke(name)
    _audit_key("key.revoke", name)
    err.print(f"{name} is revoked.", markup=False, highlight=False)
    if not store.all():
        err.print("That was the last key: all requests are refused until you make one with `xmag keys create`.")


@audit_cli.command("verify")
def audit_verify(
    expect: Annotated[
        str | None, typer.Option(help="an entry's sha256 that was kept elsewhere: is it still there?")
    ] = None,
) -> None:
    """Follow the chain of the audit log. Exit code 0: whole, 1: an entry was changed, removed or put in."""
    from app.audit import AuditLog

    verdict = AuditLog(_settings().data_dir).verify(expect)
    for problem in verdict.problems:
        err.print(problem, style="red", markup=False, highlight=False)
    torn = f", {verdict.torn} lines that a crash left unfinished" if verdict.torn else ""
    out.print(f"{verdict.entries} entries{torn}; the last: {verdict.last.number} {verdict.last.sha256}", soft_wrap=True)
    if verdict.problems:
        raise typer.Exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
