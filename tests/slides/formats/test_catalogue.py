"""What pages, docs and messages say of slide formats is what the catalogue has."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ArchiveInvalidError, NotASlideError
from app.slides.formats.archive.archive import extract_slide_zip
from app.slides.formats.catalogue import (
    ACCEPTED,
    DICOM_SUFFIXES,
    FORMATS,
    INDEX_SUFFIXES,
    SEVERAL_NAMES,
    SINGLE_NAMES,
    SINGLE_SUFFIXES,
    STRIPPABLE_NAMES,
    format_of,
    listed,
    slide_suffix,
)
from app.slides.formats.finding import find_slide
from app.slides.formats.opening import open_slide
from tests.service import ROOT


def test_the_worklist_names_every_format() -> None:
    shell = (ROOT / "app" / "web" / "worklist.html").read_text()
    assert f'<p class="soft">{listed(SINGLE_NAMES)}; {listed(SEVERAL_NAMES, "and")} as .zip. ' in shell


def test_the_worklist_takes_the_same_files_for_dicom() -> None:
    script = (ROOT / "app" / "web" / "js" / "worklist" / "fields.js").read_text()
    known = [{f".{suffix}" for suffix in group.split("|")} for group in re.findall(r"/\\\.\(([a-z|]+)\)\$?/i", script)]
    assert known == [DICOM_SUFFIXES, INDEX_SUFFIXES]


def test_the_readme_says_what_can_be_stripped() -> None:
    said = re.search(r"`xmag strip .*?` \((.*?)\)", (ROOT / "README.md").read_text())
    assert said is not None
    assert all(name in said[1] for name in STRIPPABLE_NAMES)


def test_who_sends_something_else_is_told_the_formats(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague")
    with pytest.raises(NotASlideError) as alone:
        open_slide(tmp_path / "letter.txt")
    with pytest.raises(NotASlideError) as in_folder:
        find_slide(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("letter.txt", "Dear colleague")
    with pytest.raises(ArchiveInvalidError) as zipped:
        extract_slide_zip(tmp_path / "a.zip", tmp_path / "out")
    assert all(error.value.message.endswith(ACCEPTED) for error in (alone, in_folder, zipped))


def test_no_two_formats_claim_one_extension() -> None:
    every = [suffix for one in FORMATS for suffix in one.suffixes]
    assert len(every) == len(set(every)) == len(SINGLE_SUFFIXES | INDEX_SUFFIXES | DICOM_SUFFIXES)


def test_formats_of_one_vendor_differ_in_their_files_alone() -> None:
    """OpenSlide names the vendor only, so what follows from the name must be the same for all."""
    for one in FORMATS:
        assert replace(format_of(one.vendor), name=one.name, suffixes=one.suffixes, files=one.files) == one


@pytest.mark.parametrize("vendor", ["somebody", "", None])
def test_nothing_is_assumed_of_a_format_that_is_not_known(vendor: str | None) -> None:
    known = format_of(vendor)
    assert not (known.is_tiled_tiff or known.is_read_directly or known.can_be_stripped)
    assert known.title


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.SVS", ".svs"),
        ("folder.svs/a", ""),
        ("Müller 1950.svslide", ".svslide"),
        ("a.ome.tiff", ".tiff"),
        (".mrxs", ".mrxs"),
        ("a.zip", ".zip"),
        ("a.dicom", ".dicom"),
        ("asvs", ""),
        ("a.svs.exe", ""),
    ],
)
def test_no_more_than_the_extension_of_a_name_is_kept(name: str, suffix: str) -> None:
    assert slide_suffix(name) == suffix


@pytest.mark.parametrize(("names", "sentence"), [(["A"], "A"), (["A", "B"], "A or B"), (["A", "B", "C"], "A, B or C")])
def test_a_list_as_in_a_sentence(names: list[str], sentence: str) -> None:
    assert listed(names) == sentence
