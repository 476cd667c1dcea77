"""Writes the tables of the docs that say what the code says. `make tables`."""

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.errors import XmagError
from app.results.catalogue import OUTPUTS
from app.settings import GIB, Settings
from app.slides.formats.catalogue import FORMATS

DOCS = Path(__file__).resolve().parent
_OF_THE_SERVER = ((404, "not_found", "No such address"), (405, "method_not_allowed", "The address knows other methods"))
"""What the web framework answers by itself."""
_A_SLIDE_IS = {"one": "one file", "index": "several files, opened by this one", "series": "a series of files"}


def settings_table() -> str:
    """A row for each setting, in the order of the code."""
    rows = (
        (f"`XMAG_{name.upper()}`", _default(field), field.description) for name, field in Settings.model_fields.items()
    )
    return _table(("variable", "default", "meaning"), rows)


def errors_table() -> str:
    """A row for each code, by status. The text is the first paragraph of the class's docstring."""
    found = [XmagError]
    for error in found:
        found += error.__subclasses__()
    ours = (error for error in found[1:] if error.__module__.startswith("app.errors."))
    rows = {*_OF_THE_SERVER, *((error.status, error.code, _first_paragraph(error)) for error in ours)}
    lines = ((f"`{code}`", status, text) for status, code, text in sorted(rows))
    return _table(("code", "status", "when"), lines)


def formats_table() -> str:
    """A row for each slide format."""
    rows = (
        (
            one.title,
            ", ".join(f"`{suffix}`" for suffix in one.suffixes) or f"as {one.name}",
            _A_SLIDE_IS[one.files],
            _yes(one.is_read_directly),
            _yes(one.can_be_stripped),
        )
        for one in FORMATS
    )
    return _table(("format", "file extensions", "a slide is", "read directly", "`xmag strip`"), rows)


def outputs_table() -> str:
    """A row for each link of a finished job."""
    rows = ((f"`{one.link}`", f"`{one.path}`", one.text, _yes(one.in_zip)) for one in OUTPUTS if one.link is not None)
    return _table(("link", "address below the job", "what it is", "in `results`"), rows)


PAGES = {
    DOCS / "settings.md": {"settings": settings_table},
    DOCS / "api.md": {"formats": formats_table, "outputs": outputs_table, "errors": errors_table},
}


def fresh(page: Path) -> str:
    """The page as it should be. ValueError where it has no marks for a table."""
    text = page.read_text(encoding="utf-8")
    for name, table in PAGES[page].items():
        text = _with_table(text, name, table())
    return text


def _with_table(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}: written by `make tables` -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"the page has no marks for the table of {name}")
    return f"{before}{begin}\n{table}\n\n{end}{after}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _yes(is_so: bool) -> str:
    return "yes" if is_so else ""


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
