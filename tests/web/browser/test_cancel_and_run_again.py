"""Cancel asks, Erase never comes under its pointer, and what was cancelled is run again from what is kept."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.service import until
from tests.web.browser.acts import open_worklist, row, serious


@pytest.fixture
def waiting(hospital, slides_dir: Path):
    """A job that waits, as long as the test lasts."""
    with hospital.paused("worker"):
        body = {"source": {"type": "path", "path": str(slides_dir / "fix_cmu1_small_region.svs")}}
        job = hospital.http.post("/analyze", json={**body, "slide_id": "waiting", "case_id": "S26-5"}).json()
        yield job["id"]
    hospital.wait(job["id"])
    for made in hospital.http.get("/jobs", params={"slide_id": "waiting"}).json()["jobs"]:
        hospital.wait(made["id"])
        hospital.http.delete(f"/jobs/{made['id']}")


def test_one_click_cancels_nothing_and_a_second_one_erases_nothing(page, hospital, waiting: str) -> None:
    open_worklist(page)
    button = row(page, "waiting").get_by_role("button", name="Cancel waiting")
    box = button.bounding_box()
    place = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(*place)
    dialog = page.get_by_role("dialog")
    assert re.search(r"Case S26-5, received \d{4}-\d\d-\d\d", dialog.inner_text())
    assert serious(page) == []
    page.get_by_role("button", name="Let it run").click()
    dialog.wait_for(state="detached")
    assert hospital.job(waiting)["state"] == "queued"
    page.mouse.click(*place)
    page.get_by_role("button", name="Cancel the analysis").click()
    row(page, "waiting").locator(".state.cancelled").wait_for()
    under = page.evaluate("([x, y]) => document.elementFromPoint(x, y).textContent", place)
    assert "Erase" not in under
    assert hospital.job(waiting)["state"] == "cancelled"


def test_a_cancelled_slide_is_run_again_from_the_list(page, hospital, waiting: str) -> None:
    hospital.http.post(f"/jobs/{waiting}/cancel")
    open_worklist(page)
    row(page, "waiting").get_by_role("button", name="Run again waiting").dblclick()
    row(page, "waiting").locator(".state.queued").wait_for()
    made = hospital.http.get("/jobs", params={"slide_id": "waiting"}).json()["jobs"]
    assert [job["state"] for job in made] == ["queued", "cancelled"]  # pressed twice, run once
    assert made[0]["case_id"] == "S26-5"


def test_a_slide_page_cancels_and_runs_again(page, hospital, waiting: str) -> None:
    page.goto(f"/jobs/{waiting}/view")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the analysis").click()
    expect(page.locator("#state.cancelled")).to_be_visible()
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: waiting not in url)
    expect(page.get_by_role("heading", name="In queue")).to_be_visible()


def test_what_is_gone_is_said(page, hospital, slides_dir: Path) -> None:
    job_id = hospital.submit(slides_dir / "fix_cmu1_small_region.svs", slide_id="short lived")
    hospital.wait(job_id)
    (slide,) = (hospital.data_dir / "jobs" / job_id / "slide").iterdir()
    slide.unlink()
    open_worklist(page)
    row(page, "short lived").get_by_role("button", name="Run again short lived").click()
    expect(page.get_by_text("The slide was erased")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(row(page, "short lived")).to_be_visible()
    hospital.http.delete(f"/jobs/{job_id}")


@pytest.mark.parametrize("width", [820, 1024])
def test_on_a_tablet_every_button_lies_in_the_table(page, finished: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    open_worklist(page)
    table = page.locator(".scroll").bounding_box()
    until(lambda: row(page, "lung").get_by_role("button").count() == 2)
    for button in page.locator("td.actions > *").all():
        box = button.bounding_box()
        assert table["x"] <= box["x"]
        assert box["x"] + box["width"] <= table["x"] + table["width"], button.inner_text()
    assert page.locator(".scroll").evaluate("box => box.scrollWidth <= box.clientWidth")
