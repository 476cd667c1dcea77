"""The API's page must work on a network without the internet, under a policy that allows this server alone."""

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

WEB = Path(__file__).parents[2] / "app" / "web"


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(given[name]) for name in ("href", "src") if name in given]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


def docs_page() -> Page:
    page = Page()
    page.feed((WEB / "docs" / "index.html").read_text(encoding="utf-8"))
    return page


def test_every_address_is_a_file_of_ours_or_the_description() -> None:
    addresses = docs_page().addresses
    assert "static/docs/init.js" in addresses
    for address in set(addresses) - {"openapi.json"}:
        assert address.startswith("static/")
        assert (WEB / address.removeprefix("static/")).is_file()


def test_nothing_is_inline() -> None:
    assert docs_page().inline == []


def test_start_up_asks_no_other_host() -> None:
    script = (WEB / "docs" / "init.js").read_text(encoding="utf-8")
    assert "validatorUrl: null" in script
    assert "://" not in script


def test_vendored_files_are_the_released_ones() -> None:
    folder = WEB / "vendor" / "swagger-ui"
    listed = re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "VERSION").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) == 4
    for sha256, name in listed:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
