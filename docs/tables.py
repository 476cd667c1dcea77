"""Writes the tables of the docs that say what the code says: settings and errors. `make tables`."""

import inspect
import re
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.errors import XmagError
from app.settings import GIB, Settings

DOCS = Path(__file__).resolve().parent
_OF_THE_SERVER = ((404, "not_found", "No such address"), (405, "method_not_allowed", "The address knows other methods"))
"""What the web framework answers by itself."""


def settings_table() -> str:
    """A row for each setting, in the order of the code."""
    rows = [
        f"| `XMAG_{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def errors_table() -> str:
    """A row for each code, by status. The text is the first paragraph of the class's docstring."""
    found = [XmagError]
    for error in found:
        found += error.__subclasses__()
    ours = (error for error in found[1:] if error.__module__.startswith("app.errors."))
    rows = {*_OF_THE_SERVER, *((error.status, error.code, _first_paragraph(error)) for error in ours)}
    lines = (f"| `{code}` | {status} | {text} |" for status, code, text in sorted(rows))
    return "\n".join(["| code | status | when |", "|---|---|---|", *lines])


PAGES = {DOCS / "settings.md": ("settings", settings_table), DOCS / "api.md": ("errors", errors_table)}


def fresh(page: Path) -> str:
    """The page as it should be. ValueError where it has no marks for its table."""
    name, table = PAGES[page]
    text = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: written by `make tables` -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"{page} has no marks for the table of {name}")
    return f"{before}{begin}\n{table()}\n\n{end}{after}"


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined or value in (None, (), ""):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    if isinstance(value, int | float):
        return f"{value / GIB:g} GiB" if value >= GIB // 4 else f"{value:g}"
    return f"`{value}`"


def _first_paragraph(error: type[XmagError]) -> str:
    text = (inspect.getdoc(error) or "").partition("\n\n")[0]
    return re.sub(r"\s+", " ", text).replace("``", "`").rstrip(".")


if __name__ == "__main__":
    for stale in PAGES:
        stale.write_text(fresh(stale), encoding="utf-8")
