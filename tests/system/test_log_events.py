"""Every log event has a stable dotted name, fields in place of sentences, and a row in docs/operations.md."""

import ast
import re
from collections.abc import Iterator

from tests.service import ROOT

LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error", "critical": "critical"}
FORBIDDEN = {"path", "file", "filename", "slide", "case", "case_id", "url"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Level and call of each log line of app/."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                owner = node.func.value
                if isinstance(owner, ast.Call):
                    owner = owner.func
                if ast.unparse(owner) in {"log", "structlog.stdlib.get_logger"}:
                    yield LEVELS[node.func.attr], node


def used() -> dict[str, tuple[set[str], set[str]]]:
    """Levels and fields by event."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for level, call in calls():
        (event,) = call.args
        assert isinstance(event, ast.Constant) and isinstance(event.value, str), ast.unparse(call)
        levels, fields = found.setdefault(event.value, (set(), set()))
        levels.add(level)
        fields.update(str(word.arg) for word in call.keywords)
    return found


def test_every_event_is_a_dotted_name_and_its_fields_are_no_file_names() -> None:
    events = used()
    assert len(events) > 60
    for event, (_, fields) in events.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+", event), event
        assert not fields & FORBIDDEN, event


def test_the_table_of_events_lists_what_the_code_logs() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = re.search(r"^## Log events\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    listed = {}
    for event, levels, fields, meaning in re.findall(
        r"^\| `([\w.]+)` \| ([\w, ]+) \| ([^|]*) \| ([^|]+) \|$", section[1], re.MULTILINE
    ):
        assert event not in listed and meaning.strip()
        listed[event] = (set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields)))
    assert listed == used()
    assert list(listed) == sorted(listed)


def test_no_module_of_the_service_logs_by_the_standard_library() -> None:
    for path in (ROOT / "app").rglob("*.py"):
        if path != ROOT / "app" / "system" / "logs.py":
            assert "logging.getLogger" not in path.read_text(encoding="utf-8"), path
