"""What README and docs say is what the code does."""

import re

from app.api.routes import pages
from app.errors import XmagError
from app.main import create_app
from app.settings import Settings
from app.warning import WARNING_CODES
from tests.service import ROOT

README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_readme_and_no_other():
    named = set(re.findall(r"XMAG_[A-Z_]+", README))
    assert named == {f"XMAG_{name.upper()}" for name in Settings.model_fields}


def test_defaults_in_the_readme_are_the_codes():
    rows = dict(re.findall(r"^\| `(XMAG_[A-Z_]+)` \| ([^|]+) \|", README, re.MULTILINE))
    for name, field in Settings.model_fields.items():
        said = rows.get(f"XMAG_{name.upper()}")
        if said is not None and isinstance(field.default, int | float) and field.default < 10**6:
            assert said.strip() == f"{field.default:g}", name


def test_every_route_of_the_readme_exists(tmp_path):
    app = create_app(Settings(data_dir=tmp_path))
    shells = [route.path for route in pages.router.routes]
    paths = {path.replace("{job_id}", "{id}") for path in [*app.openapi()["paths"], *shells]}
    said = set(re.findall(r"`(?:GET|POST|DELETE)? ?(/(?:analyze|jobs|v2|metrics)[^`?]*)", README))
    assert said
    assert said <= paths


def test_every_error_code_is_documented():
    found = [XmagError]
    for error in found:
        found.extend(error.__subclasses__())
    codes = {(error.code, str(error.status)) for error in found if error.__module__.startswith("app.errors.")}
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert codes - set(rows) == {("model_not_found", "404")}
    assert set(rows) <= codes | {("not_found", "404"), ("method_not_allowed", "405")}


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
