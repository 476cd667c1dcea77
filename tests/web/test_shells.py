"""The shells name every module their script needs, so that a browser asks for all of them at once, not one by one."""

import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "app" / "web"


def needed_by(module: Path) -> set[str]:
    """Addresses of what ``module`` imports, and what that imports."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        here = waiting.pop()
        imported = re.findall(r'^import .*? from "(\.[^"]+)";$', here.read_text(encoding="utf-8"), re.MULTILINE)
        new = {(here.parent / name).resolve() for name in imported} - found
        found |= new
        waiting += new
    return {f"static/{path.relative_to(WEB)}" for path in found}


@pytest.mark.parametrize("name", ["slide", "worklist"])
def test_every_module_is_asked_for_at_once(name: str) -> None:
    shell = (WEB / f"{name}.html").read_text(encoding="utf-8")
    preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)">', shell)
    needed = needed_by(WEB / "js" / name / "main.js")
    assert len(needed) > 5
    assert {re.sub(r"^(\.\./)*", "", address) for address in preloaded} == needed
    assert len(preloaded) == len(needed)


@pytest.mark.parametrize(("name", "up"), [("slide", "../../"), ("worklist", "./"), ("docs/index", "./")])
def test_every_address_is_relative_to_the_page(name: str, up: str) -> None:
    """A proxy may put a prefix before all of them: /jobs/ID/view lies two folders deep, the others none."""
    shell = (WEB / f"{name}.html").read_text(encoding="utf-8")
    addresses = set(re.findall(r'(?:href|src)="([^"]*)"', shell)) - {""}
    assert len(addresses) > 5
    for address in addresses:
        below = address.removeprefix(up)
        assert address.startswith(up) or (up == "./" and not address.startswith("."))
        assert below in {"", "docs", "openapi.json"} or (WEB / below.removeprefix("static/")).is_file()
