import subprocess
import sys

import numpy as np
import pytest
from pydicom.uid import generate_uid

from app.errors import NotASlideError, SlideCorruptError, SlideUnsupportedError
from app.slides.formats.finding import find_slide
from app.slides.formats.opening import open_slide
from app.slides.sandbox.reader import SlideReader
from tests.slides.make_dicom import (
    ANNOTATIONS,
    COMPREHENSIVE_3D_SR,
    LABEL,
    OVERVIEW,
    PARAMETRIC_MAP,
    PDF,
    PRESENTATION_STATE,
    SEGMENTATION,
    VOLUME,
    Study,
    write_image,
    write_object,
    write_slide,
)

PIXELS = np.full((600, 800, 3), 230, np.uint8)
SMALL = np.full((150, 200, 3), 230, np.uint8)
STUDY = Study("S26-001234", "S26-001234-A1")


def other_series(study=STUDY, **changes):
    known = {"accession": study.accession, "container": study.container, "study_uid": study.study_uid}
    known["frame_of_reference_uid"] = study.frame_of_reference_uid
    return Study(**{**known, **changes})


def names(found, folder):
    return [file.relative_to(folder).as_posix() for file in found.files]


def test_headers_are_parsed_by_reader_processes_alone():
    code = "import sys, app.main, app.jobs.worker.worker, app.analysis.local; sys.exit('pydicom' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_with_two_slides_or_none_is_refused(tmp_path):
    with pytest.raises(NotASlideError, match="no slide"):
        find_slide(tmp_path)
    (tmp_path / "._a.svs").write_bytes(b"clutter")
    (tmp_path / "a.mrxs").write_bytes(b"x")
    assert find_slide(tmp_path).entry.name == "a.mrxs"
    (tmp_path / "b.mrxs").write_bytes(b"x")
    with pytest.raises(NotASlideError, match="2 slides"):
        find_slide(tmp_path)


@pytest.mark.parametrize("first", ["a.mrxs", "a.svs"])
@pytest.mark.parametrize("second", ["b.tif", "b.dcm"])
def test_slides_of_two_formats_are_two_slides(tmp_path, first, second):
    (tmp_path / first).write_bytes(b"x")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Data0000.dat").write_bytes(b"x")
    write_image(tmp_path / "label.dcm", SMALL, 0.5, STUDY, LABEL)
    assert find_slide(tmp_path).entry.name == first
    if second == "b.dcm":
        write_image(tmp_path / second, PIXELS, 0.5, STUDY)
    else:
        (tmp_path / second).write_bytes(b"x")
    with pytest.raises(NotASlideError, match="There are 2 slides here"):
        find_slide(tmp_path)


def test_a_picture_in_the_folder_of_an_index_file_is_part_of_its_slide(tmp_path):
    (tmp_path / "a.mrxs").write_bytes(b"x")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "preview.tif").write_bytes(b"x")
    assert find_slide(tmp_path).entry.name == "a.mrxs"


def test_what_lies_beside_a_slide_in_a_study_is_passed_over(tmp_path):
    write_slide(tmp_path / "slide", PIXELS, 0.5, STUDY)
    (tmp_path / "slide/level1.dcm").rename(tmp_path / "slide/IM0")
    for sop_class in (COMPREHENSIVE_3D_SR, SEGMENTATION, PARAMETRIC_MAP, PRESENTATION_STATE, ANNOTATIONS, PDF):
        write_object(tmp_path / f"slide/{sop_class}.dcm", sop_class, STUDY)
        write_object(tmp_path / f"results/{sop_class}", sop_class, STUDY)
    write_object(tmp_path / "DICOMDIR", "1.2.840.10008.1.3.10", STUDY)
    write_image(tmp_path / "label.dcm", SMALL, 5, other_series(), LABEL)
    write_image(tmp_path / "overview.dcm", np.full((900, 2000, 3), 9, np.uint8), 5, other_series(), OVERVIEW)
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    for path in (tmp_path, tmp_path / "slide", tmp_path / "slide/IM0", tmp_path / "slide/level4.dcm"):
        found = find_slide(path)
        assert found.entry == tmp_path / "slide/IM0"
        assert names(found, tmp_path) == ["slide/IM0", "slide/level4.dcm"]
        assert found.dicom is not None
        assert [level.width for level in found.dicom.levels] == [800, 200]
        assert found.dicom.identity is not None
        assert (found.dicom.identity.accession, found.dicom.identity.container) == ("S26-001234", "S26-001234-A1")


def test_label_and_overview_of_its_series_are_files_of_the_slide(tmp_path):
    write_slide(tmp_path, PIXELS, 0.5, STUDY)
    write_image(tmp_path / "label.dcm", np.full((900, 2000, 3), 9, np.uint8), 5, STUDY, LABEL)
    found = find_slide(tmp_path)
    assert found.entry.name == "level1.dcm"
    assert names(found, tmp_path) == ["label.dcm", "level1.dcm", "level4.dcm"]


def test_two_slides_are_refused_without_a_word_of_their_headers(tmp_path):
    write_slide(tmp_path / "a", PIXELS, 0.5, STUDY)
    other = other_series(container="S26-001234-B1", frame_of_reference_uid=generate_uid())
    write_slide(tmp_path / "b", PIXELS, 0.5, other, change=lambda ds: setattr(ds, "SeriesDescription", "Ki-67\x07"))
    with pytest.raises(NotASlideError) as refused:
        find_slide(tmp_path)
    assert str(refused.value) == "There are 2 slides here. Send one slide at a time."
    for secret in ("DOE", "4711", "S26", "Ki-67"):
        assert secret not in str(refused.value)


def test_levels_in_series_of_their_own_are_one_slide(tmp_path):
    write_image(tmp_path / "l0.dcm", PIXELS, 0.5, STUDY)
    write_image(tmp_path / "l1.dcm", SMALL, 2, other_series())
    found = find_slide(tmp_path)
    assert found.entry.name == "l0.dcm"
    assert names(found, tmp_path) == ["l0.dcm", "l1.dcm"]
    with SlideReader() as reader:
        assert [(level.width, level.height) for level in reader.open(tmp_path).levels] == [(800, 600)]


@pytest.mark.parametrize(
    "changes",
    [
        {"container": "S26-001234-B1"},
        {"accession": "S26-9"},
        {"frame_of_reference_uid": "1.2.3"},
        {"study_uid": "1.2.3"},
    ],
)
def test_series_of_other_glass_case_or_scan_are_several_slides(tmp_path, changes):
    write_image(tmp_path / "l0.dcm", PIXELS, 0.5, STUDY)
    write_image(tmp_path / "l1.dcm", SMALL, 2, other_series(**changes))
    with pytest.raises(NotASlideError, match="2 slides"):
        find_slide(tmp_path)


def test_two_scans_in_one_coordinate_system_are_two_slides(tmp_path):
    write_image(tmp_path / "a.dcm", PIXELS, 0.5, STUDY)
    write_image(tmp_path / "b.dcm", PIXELS, 0.5, other_series())
    with pytest.raises(NotASlideError, match="2 slides"):
        find_slide(tmp_path)


def test_one_series_of_two_containers_is_refused(tmp_path):
    write_image(tmp_path / "a.dcm", PIXELS, 0.5, STUDY)
    write_image(tmp_path / "b.dcm", SMALL, 2, STUDY, change=lambda ds: setattr(ds, "ContainerIdentifier", "OTHER"))
    with pytest.raises(NotASlideError, match="different containers or accession numbers"):
        find_slide(tmp_path)


def test_what_is_no_level_alone_is_unsupported_and_says_what_it_is(tmp_path):
    write_image(tmp_path / "label.dcm", SMALL, 5, STUDY, LABEL)
    for path in (tmp_path, tmp_path / "label.dcm"):
        with pytest.raises(SlideUnsupportedError, match="only a label, overview or thumbnail"):
            find_slide(path)
    write_object(tmp_path / "study/sr.dcm", COMPREHENSIVE_3D_SR, STUDY)
    for path in (tmp_path / "study", tmp_path / "study/sr.dcm"):
        with pytest.raises(SlideUnsupportedError, match="Comprehensive 3D SR"):
            find_slide(path)


def test_without_preamble_series_or_readable_header_it_is_refused_with_that_reason(tmp_path):
    bare = write_image(tmp_path / "bare.dcm", PIXELS, 0.5, STUDY)
    bare.write_bytes(bare.read_bytes()[132:])
    with pytest.raises(SlideUnsupportedError, match="preamble"):
        open_slide(tmp_path)
    bare.unlink()
    write_image(tmp_path / "a.dcm", PIXELS, 0.5, STUDY, change=lambda ds: delattr(ds, "SeriesInstanceUID"))
    with pytest.raises(SlideCorruptError, match="series"):
        find_slide(tmp_path)
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\0\0\0UL\xff\xff" + bytes(20))
    with pytest.raises(SlideCorruptError, match="header"):
        find_slide(tmp_path)


def test_a_damaged_neighbour_is_another_slides_trouble(tmp_path):
    write_image(tmp_path / "a.dcm", PIXELS, 0.5, STUDY)
    whole = write_image(tmp_path / "b.dcm", PIXELS, 0.5, Study()).read_bytes()
    at = whole.index(b"\x48\0\x06\0UL")  # Total Pixel Matrix Columns
    (tmp_path / "b.dcm").write_bytes(whole[: at + 4] + b"SQ\0\0\xff\xff\xff\xff" + whole[at + 8 :])
    assert names(find_slide(tmp_path / "a.dcm"), tmp_path) == ["a.dcm"]


@pytest.mark.parametrize("image_type", [VOLUME, ("DERIVED", "PRIMARY", "VOLUME", "NONE")])
def test_the_entry_is_the_largest_level_not_the_largest_file(tmp_path, image_type):
    noise = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
    write_image(tmp_path / "l0.dcm", PIXELS, 0.5, STUDY, image_type)
    write_image(tmp_path / "l1.dcm", noise, 1, STUDY, ("DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"))
    assert (tmp_path / "l1.dcm").stat().st_size > (tmp_path / "l0.dcm").stat().st_size
    assert find_slide(tmp_path).entry.name == "l0.dcm"
