"""What README and docs say is what the code does."""

import re

import pytest

from app.api.routes import pages
from app.main import create_app
from app.settings import Settings
from app.warning import WARNING_CODES
from docs import tables
from tests.service import ROOT

README = (ROOT / "README.md").read_text()


def test_every_setting_of_the_readme_exists():
    named = set(re.findall(r"XMAG_[A-Z_]+", README))
    assert named
    assert named <= {f"XMAG_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_tables_of_the_docs_are_fresh(page):
    assert tables.fresh(page) == page.read_text(encoding="utf-8"), "make tables"


def test_a_setting_and_an_error_stand_in_their_tables():
    settings = (ROOT / "docs" / "settings.md").read_text()
    assert "| `XMAG_QUEUE_MAX` | 4000 | most jobs waiting" in settings
    errors = (ROOT / "docs" / "api.md").read_text()
    assert "| `no_tissue` | 422 | The tissue mask is empty |" in errors


def test_every_route_of_the_readme_exists(tmp_path):
    app = create_app(Settings(data_dir=tmp_path))
    shells = [route.path for route in pages.router.routes]
    paths = {path.replace("{job_id}", "{id}") for path in [*app.openapi()["paths"], *shells]}
    said = set(re.findall(r"`(?:GET|POST|DELETE)? ?(/(?:analyze|jobs|v2|metrics)[^`?]*)", README))
    assert said
    assert said <= paths


def test_every_warning_code_is_documented():
    text = (ROOT / "docs" / "api.md").read_text()
    section = re.search(r"^## Warnings\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE) == list(WARNING_CODES)


def test_every_test_that_a_promise_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "promises.md").read_text())
    assert len(named) > 20
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_every_file_that_the_docs_for_developers_name_exists():
    for page in ("docs/where.md", "docs/design.md", "CONTRIBUTING.md"):
        named = re.findall(r"`((?:app|tests|training|benchmarks)/[\w/.]+)`", (ROOT / page).read_text())
        assert [path for path in named if not (ROOT / path).exists()] == [], page
