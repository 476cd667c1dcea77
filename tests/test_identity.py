from dataclasses import replace

import pytest

from app.errors import IdentityConflictError
from app.identity import identity_warnings
from app.slides.identity import DicomIdentity
from app.slides.types import Level, SlideInfo
from app.stated import Stated

INFO = SlideInfo("x", 9, 9, 0.5, 0.5, 0.5, "file", None, (Level(0, 9, 9, 1.0),), (255, 255, 255), None)
DICOM = DicomIdentity("1.1", "1.2", "1.3", "S26-1", "LIS", "S26-1-A1", None)
SLIDE = replace(INFO, identity=DICOM)
OTHER = Stated(case_id="other", slide_id="other")


@pytest.mark.parametrize(
    ("case_id", "slide_id"), [(None, None), ("S26-1", None), (None, "S26-1-A1"), (" S26-1 ", "S26-1-A1")]
)
def test_what_the_header_confirms_or_nobody_said(case_id, slide_id):
    assert identity_warnings(Stated(case_id=case_id, slide_id=slide_id), SLIDE, "refuse") == ()
    nothing_read = replace(INFO, identity=replace(DICOM, accession=None, container=None))
    assert identity_warnings(OTHER, nothing_read, "refuse") == ()
    assert identity_warnings(OTHER, INFO, "refuse") == ()


@pytest.mark.parametrize(
    ("case_id", "slide_id", "word"),
    [("S26-2", None, "case_id"), ("s26-1", "S26-1-A1", "case_id"), ("S26-1", "S26-1-A2", "slide_id")],
)
def test_another_case_or_slide_is_refused_or_warned_of_without_its_name(case_id, slide_id, word):
    with pytest.raises(IdentityConflictError, match=word) as refused:
        identity_warnings(Stated(case_id=case_id, slide_id=slide_id), SLIDE, "refuse")
    (warning,) = identity_warnings(Stated(case_id=case_id, slide_id=slide_id), SLIDE, "warn")
    assert warning.startswith("identity_differs: ")
    for text in (warning, refused.value.message):
        assert not any(name.lower() in text.lower() for name in ("S26-1", "S26-2"))


@pytest.mark.parametrize("policy", ["refuse", "warn"])
def test_a_barcode_only_ever_warns(policy):
    info = replace(INFO, barcode="S26-1-A1")
    assert identity_warnings(Stated(case_id="any case", slide_id="S26-1-A1"), info, policy) == ()
    assert identity_warnings(Stated(), info, policy) == ()
    (warning,) = identity_warnings(Stated(slide_id="S26-1-A2"), info, policy)
    assert "barcode" in warning
