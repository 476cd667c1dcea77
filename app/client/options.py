"""Options that state something of a slide, the same for `xmag submit` and `xmag analyze`."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from app.stated import Stated

Tasks = Annotated[list[str] | None, typer.Option("--task", help="Task to run. Repeat for several. Default: all.")]
Chosen = dict[str, Any]
"""Values of the options below, by the field's name; None for those that were not typed."""
_OPTIONS: Final = {
    "case_id": Annotated[str | None, typer.Option("--case", help="Accession number.")],
    "stain": Annotated[str | None, typer.Option(help="For example H&E.")],
    "organ": Annotated[str | None, typer.Option(help="For example lung.")],
    "mpp": Annotated[
        float | None, typer.Option(min=0.0, help="Resolution in µm/px at full magnification. Overrides the file's.")
    ],
}
"""By the field of ``Stated`` (app/stated.py)."""


def with_stated(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with these options in place of its argument ``chosen``."""
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name != "chosen":
            parameters.append(parameter)
            continue
        parameters += [
            inspect.Parameter(field, parameter.kind, default=None, annotation=kind) for field, kind in _OPTIONS.items()
        ]

    def typed(**values: object) -> None:
        chosen = {name: values.pop(name) for name in _OPTIONS}
        command(**values, chosen=chosen)

    typed.__name__, typed.__doc__ = command.__name__, command.__doc__
    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    return typed


def stated(chosen: Chosen) -> "Stated":
    """What was typed. RequestInvalidError for a value that the service would refuse."""
    from pydantic import ValidationError  # noqa: PLC0415 (half of what starting would take)

    from app.errors import RequestInvalidError  # noqa: PLC0415
    from app.stated import Stated  # noqa: PLC0415

    try:
        return Stated.model_validate(chosen)
    except ValidationError as error:
        found = error.errors()[0]
        raise RequestInvalidError(f"{found['loc'][0]}: {found['msg']}.") from error
