"""Filtering the list: what was not looked at is said; a whole case number is found however old the job is."""

import re

import pytest

from tests.service import until
from tests.web.browser.acts import open_worklist, row


@pytest.fixture
def of_one_job(page, finished: str, hospital, slides_dir):
    """The worklist with a page of a single job, and an older one that is not on it."""
    body = {"source": {"type": "path", "path": str(slides_dir / "fix_cmu1_small_region.svs")}, "slide_id": "newest"}
    newest = hospital.http.post("/analyze", json=body).json()["id"]
    hospital.wait(newest)
    page.route(re.compile("limit=100"), lambda r: r.continue_(url=r.request.url.replace("limit=100", "limit=1")))
    open_worklist(page)
    yield page
    hospital.http.delete(f"/jobs/{newest}")


def test_a_filter_says_how_far_it_looked(of_one_job) -> None:
    page = of_one_job
    assert page.locator("#count").inner_text() == "1 newest job"
    page.locator("#search").fill("S26-")
    until(lambda: page.locator("#count").inner_text() == "0 found in the 1 newest job")
    assert page.locator("#beyond").inner_text() == (
        "Searched the 1 newest job. Enter a full case number or slide ID, or show older jobs."
    )
    assert page.get_by_text("Nothing matches the filter.").is_visible()


def test_a_whole_case_number_is_found_in_small_letters_and_with_blanks(of_one_job) -> None:
    page = of_one_job
    assert row(page, "lung").count() == 0
    page.locator("#search").fill(" s26-1 ")
    row(page, "lung").wait_for()
    until(lambda: page.locator("#count").inner_text() == "1 found")
    assert page.locator("#beyond").inner_text() == ""
    page.locator("#search").fill("s26")
    until(lambda: "Searched the 1 newest job." in page.locator("#beyond").inner_text())


def test_what_the_server_found_among_the_newest_needs_no_word_of_older_jobs(of_one_job) -> None:
    page = of_one_job
    page.locator("#search").fill("newes")
    until(lambda: "Searched the 1 newest job." in page.locator("#beyond").inner_text())
    page.locator("#search").fill("newest")
    until(lambda: page.locator("#beyond").inner_text() == "")
    assert row(page, "newest").is_visible()


def test_a_job_is_found_by_its_id(of_one_job, finished: str) -> None:
    page = of_one_job
    assert row(page, "lung").count() == 0
    page.locator("#search").fill(finished)
    row(page, "lung").wait_for()
    assert page.locator("#beyond").inner_text() == ""


def test_the_search_goes_on_where_the_server_looked_through_a_part(of_one_job, hospital) -> None:
    page, parts = of_one_job, []
    newest = hospital.http.get("/jobs", params={"limit": 1}).json()["next_cursor"]

    def first_part(route) -> None:
        parts.append(route.request.url)
        route.fulfill(json={"jobs": [], "next_cursor": newest})

    page.route(lambda url: "slide_id=lung" in url and "cursor" not in url, first_part)
    page.locator("#search").fill("lung")
    row(page, "lung").wait_for()
    assert len(parts) == 1


def test_a_list_that_is_complete_counts_what_there_is(page, finished: str) -> None:
    open_worklist(page)
    page.locator("#search").fill("s26-1")
    until(lambda: re.fullmatch(r"1 of \d+ jobs?", page.locator("#count").inner_text()) is not None)
    assert page.locator("#beyond").inner_text() == ""
