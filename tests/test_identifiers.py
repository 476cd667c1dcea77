"""Case numbers that look the same are the same, or are refused with the reason."""

import pytest
from pydantic import ValidationError

from app.api.schemas import AnalyzeFields, JobQuery
from tests.api.answers import check_problem

ENDS = [
    "\ufeff",
    "\u200b",
    "\u200c\u200d",
    "\u200e\u200f",
    "\u2060",
    "\u00ad",
    "\u00a0",
    "\u3000",
    "\u2003 \t\r\n",
    "\u3164",
]
INSIDE = [*ENDS[:-2], "\u3164", "\u202e", "\u2066", "\0", "\x1b", "\x85", "\u2028", "\ufffe", "\U0001ffff", "\ufdd0"]
VISIBLE = ["S26-1", "S26 1", "Ä;ß", "標本１", "e\u0301", "A/B\\C", "<b>", "'; --", "\U0001f9ec", "x" * 200]


def shown(text):
    return "+".join(f"U+{ord(character):04X}" for character in text)


@pytest.mark.parametrize("blank", ENDS, ids=shown)
def test_what_nobody_sees_is_stripped_at_the_ends(blank):
    for text in (f"{blank}C1", f"C1{blank}", f"{blank} C1 {blank}"):
        assert AnalyzeFields(case_id=text, slide_id=text).case_id == "C1"
        assert JobQuery(case_id=text).case_id == "C1"


@pytest.mark.parametrize("character", [*INSIDE, "\ud800"], ids=shown)
@pytest.mark.parametrize("field", ["case_id", "slide_id", "stain", "organ", "model", "tasks"])
def test_inside_it_is_refused_by_name(field, character):
    with pytest.raises(ValidationError) as refused:
        AnalyzeFields.model_validate({field: f"C{character}1"})
    (error,) = refused.value.errors()
    assert error["loc"][0] == field
    assert "character 2 is" in error["msg"] and f"U+{ord(character[0]):04X}" in error["msg"]


@pytest.mark.parametrize("text", VISIBLE)
def test_what_can_be_seen_is_kept(text):
    assert AnalyzeFields(case_id=text).case_id == JobQuery(case_id=text).case_id == text


@pytest.mark.parametrize("text", ["", " ", "\ufeff", "\u00a0\u200b", "x" * 201])
def test_blank_or_too_long(text):
    with pytest.raises(ValidationError):
        AnalyzeFields(case_id=text)


def test_a_case_is_found_however_it_was_pasted(service, tissue):
    job_id = service.submit(tissue, case_id="\ufeffS26-0815\u200b")
    assert service.job(job_id)["case_id"] == "S26-0815"
    for asked in ("S26-0815", "S26-0815\u00a0", "\ufeff S26-0815"):
        found = service.http.get("/jobs", params={"case_id": asked}).json()["jobs"]
        assert [job["id"] for job in found] == [job_id]
    answer = service.http.get("/jobs", params={"case_id": "S26-\u200b0815"})
    assert "U+200B" in check_problem(answer, 422, "request_invalid")["detail"]
    answer = service.post(tissue, case_id="S26\u00a00815")
    assert "a blank other than the plain space (U+00A0)" in check_problem(answer, 422, "request_invalid")["detail"]


@pytest.mark.parametrize("text", ["undefined", " null", "None", "NaN", "[object Object]"])
def test_what_programs_write_for_no_value_is_no_name(text):
    with pytest.raises(ValidationError, match="Leave the field out"):
        AnalyzeFields(case_id=text)
    longer = f"{text.strip()} 1"
    assert AnalyzeFields(case_id=longer).case_id == longer
