"""Options that state something of a slide, the same for `xmag submit` and `xmag analyze`."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.stated import Stated

Tasks = Annotated[list[str] | None, typer.Option("--task", help="head to run, may be repeated; default: all")]
Mpp = Annotated[float | None, typer.Option(min=0.0, help="µm/px at level 0; overrides the file's")]
Stain = Annotated[str | None, typer.Option(help="for example H&E")]
Organ = Annotated[str | None, typer.Option(help="for example lung")]


def stated(**options: str | float | None) -> "Stated":
    """The fields of these names. RequestInvalidError for a value that the service would refuse."""
    from pydantic import ValidationError  # noqa: PLC0415 (half of what starting would take)

    from app.errors import RequestInvalidError  # noqa: PLC0415
    from app.stated import Stated  # noqa: PLC0415

    try:
        return Stated.model_validate(options)
    except ValidationError as error:
        found = error.errors()[0]
        raise RequestInvalidError(f"{found['loc'][0]}: {found['msg']}.") from error
