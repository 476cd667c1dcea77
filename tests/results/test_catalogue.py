"""Folder, links, zip, pages and docs hold what the catalogue has, and nothing else."""

import io
import re
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

from app.results.catalogue import OUTPUTS, STORED
from app.results.files.bundle import zip_chunks
from app.results.files.write import write_results, write_tissue_mask
from app.results.report.stored_report import stored_tiles
from app.results.schema import BoundsPart
from tests.results.make_result import Recipe, make_result
from tests.service import ROOT

LINKED = [one for one in OUTPUTS if one.link is not None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a result with two tasks and a frame of its own for QuPath: all kinds there are."""
    path = tmp_path_factory.mktemp("result")
    bounds = BoundsPart(x0=300, y0=1000, width=2000, height=1500)
    write_results(make_result(Recipe(tasks=("grade", "stage"), bounds=bounds)), path)
    return path


def test_every_written_file_is_of_one_entry_and_every_entry_is_written(folder: Path) -> None:
    names = [path.name for path in folder.iterdir()]
    assert len(names) > len(STORED)
    for name in names:
        assert len([one for one in STORED if fnmatch(name, one.files)]) == 1, name
    for one in STORED:
        assert one.name in names
        assert [name for name in names if fnmatch(name, one.files)], one.name


def test_a_failed_job_keeps_what_the_catalogue_says(folder: Path, tmp_path: Path) -> None:
    written = write_tissue_mask(make_result().tissue_mask, tmp_path)
    assert [one.name for one in OUTPUTS if one.is_of_failed] == [written]


def test_the_zip_holds_what_the_catalogue_says(folder: Path) -> None:
    packed = b"".join(zip_chunks(folder, stored_tiles(folder), b"%PDF", "top"))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        inside = {name.removeprefix("top/") for name in archive.namelist()}
        deflated = {entry.filename for entry in archive.infolist() if entry.compress_type == zipfile.ZIP_DEFLATED}
    made = {one.name for one in OUTPUTS if one.in_zip and not one.files}
    assert inside == made | {path.name for path in folder.iterdir()}
    assert all(one.in_zip for one in STORED)
    assert {Path(name).suffix for name in deflated} == {".json", ".geojson", ".csv"}


def test_the_readme_names_every_address() -> None:
    said = set(re.findall(r"/jobs/\{id\}/([\w.]+)`", (ROOT / "README.md").read_text()))
    assert {one.path.partition("?")[0] for one in LINKED} <= said


def test_the_slide_page_offers_the_downloads_by_the_same_names() -> None:
    script = (ROOT / "app" / "web" / "js" / "slide" / "files.js").read_text()
    listed = re.search(r"const NAMES = \{(.*?)\};", script, re.DOTALL)
    assert listed is not None
    shown = dict(re.findall(r'^  (\w+): "([^"]+)",$', listed[1], re.MULTILINE))
    assert shown == {one.link: one.button for one in OUTPUTS if one.button is not None}
