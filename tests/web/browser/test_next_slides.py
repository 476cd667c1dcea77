"""What is filled in for the next slides: in sight as long as it is set, and used for one drop."""

import shutil
from pathlib import Path

from tests.slides.make_dicom import Study, write_slide
from tests.tissue import paint_tissue
from tests.web.browser.acts import SECONDS, drop, open_worklist, row, serious

SUMMARY = "Case, priority and more"


def test_what_is_filled_in_is_in_sight_and_goes_with_one_drop(page, hospital, slides_dir: Path) -> None:
    data = (slides_dir / "fix_cmu1_small_region.svs").read_bytes()
    open_worklist(page)
    assert not page.locator("#next").is_visible()
    page.get_by_text(SUMMARY).click()
    page.get_by_role("textbox", name="Case").fill("S26-000001")
    page.get_by_label("Priority").select_option("stat")
    page.get_by_text(SUMMARY).click()
    assert not page.get_by_role("textbox", name="Case").is_visible()
    assert page.locator("#next-said").inner_text() == "next slides: case S26-000001 · STAT"
    drop(page, "of_the_case.svs", data)
    assert not page.locator("#next").is_visible()
    drop(page, "of_the_next_patient.svs", data)
    for name in ("of_the_case", "of_the_next_patient"):
        row(page, name).locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    assert "case S26-000001" in row(page, "of_the_case").inner_text()
    assert "STAT" in row(page, "of_the_case").inner_text()
    jobs = {job["slide_id"]: job for job in hospital.http.get("/jobs").json()["jobs"]}
    assert (jobs["of_the_case"]["case_id"], jobs["of_the_case"]["priority"]) == ("S26-000001", "stat")
    assert (jobs["of_the_next_patient"]["case_id"], jobs["of_the_next_patient"]["priority"]) == (None, "routine")


def test_a_dicom_slide_is_named_by_its_header_and_not_by_its_file(page, hospital, tmp_path) -> None:
    study = Study("S26-000002", "S26-000002-A1")
    write_slide(tmp_path / "study", paint_tissue(700, 700), 2.0, study)
    zipped = shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path / "study")
    open_worklist(page)
    drop(page, "export.zip", Path(zipped).read_bytes())
    row(page, "S26-000002-A1").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    assert "case S26-000002" in row(page, "S26-000002-A1").inner_text()


def test_what_is_filled_in_is_cleared_at_once(page) -> None:
    open_worklist(page)
    page.get_by_text(SUMMARY).click()
    page.get_by_role("textbox", name="Organ").fill("lung")
    assert serious(page) == []
    page.get_by_role("button", name="✕ clear").click()
    assert not page.locator("#next").is_visible()
    assert page.get_by_role("textbox", name="Organ").input_value() == ""
