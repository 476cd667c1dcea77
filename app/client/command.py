"""`xmag submit`: from what was typed to a table and an exit code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from app.client.batch import Order, run_batch
from app.client.display import Display
from app.client.retry import OutOfPatienceError
from app.client.service import NotAllowedError, RefusedError, Service
from app.client.slide import Slide
from app.client.table import Row, said, write_csv
from app.errors import RequestInvalidError, SetupError
from app.settings import is_loopback

_UNAUTHORIZED = 401


@dataclass(frozen=True)
class Command:
    """What was typed. ``fields``: those of POST /analyze; ``patience_s``: how long the server may fail to answer."""

    slides: tuple[Slide, ...]
    fields: dict[str, Any]
    server: str
    key: str | None
    patience_s: float
    wait: bool
    again: bool
    names: bool
    csv_file: Path | None


def run(command: Command, out: Console, err: Console) -> bool:
    """Send the slides, show the table, write the CSV. Whether all are accepted or, with ``wait``, succeeded.

    RequestInvalidError and SetupError for what no slide is to blame for: address, key, a server out of reach.
    """
    order = Order(command.slides, command.fields, command.wait, command.again, command.names)
    service = _service(command, err)
    try:
        service.check_reach()
        with Display(err, len(command.slides)) as display:
            rows = run_batch(service, order, display)
    except NotAllowedError as error:
        if command.key is None and error.status == _UNAUTHORIZED:
            raise RequestInvalidError(f"{command.server} needs a key: set XMAG_KEY.") from error
        raise RequestInvalidError(f"{command.server} refuses the key ({error.code}): {error.message}") from error
    except RefusedError as error:
        raise SetupError(f"{command.server} cannot be used: {error.message}") from error
    except OutOfPatienceError as error:
        raise SetupError(f"{command.server} does not answer: {error}.") from error
    finally:
        service.close()
    _show(rows, out)
    if command.csv_file is not None:
        write_csv(rows, command.csv_file)
    fine = {"succeeded"} if command.wait else {"queued", "running", "succeeded"}
    return all(row.state in fine for row in rows)


def _service(command: Command, err: Console) -> Service:
    address = urlsplit(command.server)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise RequestInvalidError(
            f"--server {command.server} is not a valid address. Example: https://xmag.hospital.example."
        )
    if command.key is not None and address.scheme == "http" and not is_loopback(address.hostname):
        err.print("The key and the slides are sent without encryption. Use an https address.", style="yellow")
    try:
        return Service(command.server, command.key, command.patience_s)
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise RequestInvalidError("The address or the key contains invalid characters.") from error


def _show(rows: list[Row], out: Console) -> None:
    """A table on a terminal; in a pipe one line per slide with tabs between, where a frame is in the way."""
    cells = [(Path(row.file).name, row.job, row.state, said(row)) for row in rows]
    if out.is_terminal:
        table = Table("slide", Column("job", no_wrap=True, min_width=36), "state", "result")
        for line in cells:
            table.add_row(*(escape(text) for text in line))
        out.print(table)
        return
    for line in cells:
        typer.echo("\t".join(line))
