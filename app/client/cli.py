"""The command `xmag submit` as it is typed."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.client import options
from app.client.slide import ObjectName, Slide, shown
from app.system.object_address import SCHEME


def _slide(text: str) -> Slide:
    """A file that can be sent, or an object's address, which is the server's to look up."""
    if text.startswith(SCHEME):
        return ObjectName(text)
    path = Path(text)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise typer.BadParameter(f"{shown(path)} is not a file that can be read.", param_hint="SLIDES")
    return path


@options.with_stated
def submit(  # noqa: PLR0917 (a command's options are its arguments)
    slides: Annotated[
        list[str],
        typer.Argument(
            help="Slide files, a .zip for a slide of several files, or s3://bucket/key of the server's object store."
        ),
    ],
    chosen: options.Chosen,
    server: Annotated[
        str, typer.Option(envvar="XMAG_SERVER", help="Address of the service.")
    ] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None,
        typer.Option(
            envvar="XMAG_KEY",
            show_envvar=True,
            help="Access key. Set XMAG_KEY instead: other users can see command lines.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the results and show them.")] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", dir_okay=False, writable=True, help="Write the table to this file.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model. Default: the server's.")] = None,
    task: options.Tasks = None,
    priority: Annotated[str | None, typer.Option(help="routine (default), urgent, asap or stat.")] = None,
    names: Annotated[
        bool,
        typer.Option("--names/--no-names", help="Use the file name without extension as slide ID (never for DICOM)."),
    ] = True,
    again: Annotated[
        bool, typer.Option("--again", help="Analyse again slides that were already sent with the same fields.")
    ] = False,
    patience_s: Annotated[
        float, typer.Option("--patience", min=0.0, help="Seconds to wait for a service that is restarting or full.")
    ] = 600.0,
) -> None:
    """Send slides to a service.

    Exit codes: 0 all accepted (with --wait: succeeded), 1 some not, 2 wrong usage.
    """
    from app.client.command import Command, run  # noqa: PLC0415 (only this command needs what it needs)

    stated = options.stated(chosen)
    said = {"model": model, "priority": priority, "tasks": task or None}
    fields = stated.model_dump(exclude_none=True) | {name: value for name, value in said.items() if value is not None}
    command = Command(
        tuple(map(_slide, slides)),
        fields,
        server,
        key,
        patience_s,
        wait=wait,
        again=again,
        names=names,
        csv_file=csv_file,
    )
    if not run(command, Console(), Console(stderr=True)):
        raise typer.Exit(1)
