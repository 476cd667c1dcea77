"""What a person does in the browser, on the real service with real slides."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.service import until
from tests.tissue import blank_slide
from tests.web.browser.acts import (
    SECONDS,
    block_means,
    drop,
    open_slide,
    open_worklist,
    picture,
    row,
    with_and_without_map,
)

FITS = """(select, text) => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = getComputedStyle(select).font;
  return pen.measureText(text).width < select.clientWidth - 40;
}"""


def test_a_slide_is_dropped_watched_and_opened(page, slides_dir: Path) -> None:
    open_worklist(page)
    drop(page, "small_region.svs", (slides_dir / "fix_cmu1_small_region.svs").read_bytes())
    row(page, "small_region").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    told = row(page, "small_region").inner_text()
    assert "result ready · analysed in" in told
    assert "no case" in told
    assert "malignan" not in told  # beside a green tick it would read as a finding
    row(page, "small_region").get_by_role("link", name="View small_region").click()
    page.wait_for_url("**/view")
    page.get_by_role("heading", name="Prediction").wait_for()
    assert page.locator("#panel").inner_text().count("NOT VALIDATED") == 1
    assert "Intended use:" in page.locator("#panel").inner_text()


def test_a_slide_of_another_stain_is_marked_in_the_list_and_its_score_does_not_count(page, slides_dir: Path) -> None:
    open_worklist(page)
    drop(page, "ihc.svs", (slides_dir / "dev_ck7p40_ihc_20x.svs").read_bytes())
    row(page, "ihc").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    assert "not H&E" in row(page, "ihc").inner_text()
    row(page, "ihc").get_by_role("link", name="View ihc").click()
    page.locator(".answer.void").wait_for()
    assert page.locator("#panel").inner_text().count("Not valid for this slide") == 1


def test_a_result_that_is_not_validated_is_marked_in_the_list(page, finished: str) -> None:
    open_worklist(page)
    assert row(page, "lung").locator(".chip", has_text=re.compile("^not validated$")).is_visible()


def test_that_no_tissue_was_found_is_said_once(page, hospital, tmp_path) -> None:
    job_id = hospital.submit(blank_slide(tmp_path / "blank.svs"), slide_id="blank")
    assert hospital.wait(job_id)["error"]["code"] == "no_tissue"
    page.goto(f"/jobs/{job_id}/view")
    page.get_by_role("link", name="Tissue mask").wait_for()
    text = page.locator("body").inner_text()
    assert text.lower().count("no tissue") == 1 and "tissue_mask.png" not in text
    assert "Look at the slide" in text
    hospital.http.delete(f"/jobs/{job_id}")


def test_a_broken_file_is_explained(page, slides_dir: Path) -> None:
    open_worklist(page)
    drop(page, "broken.svs", (slides_dir / "fix_cmu1_small_region.svs").read_bytes()[:3000])
    row(page, "broken").locator(".state.failed").wait_for(timeout=30 * SECONDS)
    assert "scan" in row(page, "broken").inner_text()
    row(page, "broken").get_by_role("button", name="Dismiss broken").click()
    row(page, "broken").wait_for(state="detached")


def test_a_job_is_cancelled_and_erased(page, hospital, slides_dir: Path) -> None:
    path = str(slides_dir / "dev_pdac_adrenal_he_20x_jp2k.svs")
    for name in ("first", "unwanted"):
        hospital.http.post(
            "/analyze", json={"source": {"type": "path", "path": path}, "slide_id": name, "case_id": "S26-2"}
        )
    open_worklist(page)
    row(page, "unwanted").get_by_role("button", name="Cancel unwanted").click()
    page.get_by_role("button", name="Cancel the analysis").click()
    row(page, "unwanted").locator(".state.cancelled").wait_for()
    page.wait_for_function("document.activeElement.textContent === 'unwanted'")
    row(page, "unwanted").get_by_role("button", name="Erase unwanted").click()
    assert re.search(r"Case S26-2, received \d{4}-\d\d-\d\d \d\d:\d\d\.", page.get_by_role("dialog").inner_text())
    page.get_by_role("button", name="Erase", exact=True).click()
    row(page, "unwanted").wait_for(state="detached")
    assert page.evaluate("document.activeElement.closest('tr').innerText").startswith("first")
    row(page, "first").get_by_role("button", name="Cancel first").click()
    page.get_by_role("button", name="Cancel the analysis").click()
    row(page, "first").locator(".state.cancelled").wait_for()
    states = {job["slide_id"]: job["state"] for job in hospital.http.get("/jobs").json()["jobs"]}
    assert states["first"] == "cancelled"
    assert "unwanted" not in states


def test_the_overlay_shows_and_hides(page, finished: str) -> None:
    open_slide(page, finished)
    with_map, without = with_and_without_map(page)
    assert np.mean(np.abs(with_map - without).sum(axis=2) > 30) > 0.05
    page.keyboard.press("o")
    page.wait_for_selector("[data-drawn*='heatmap.png']")
    page.wait_for_timeout(200)
    assert np.mean(np.abs(picture(page) - with_map).sum(axis=2) > 30) < 0.01
    for control, value in (("#map-scale", "raw"), ("#map-palette", "cividis")):
        page.select_option(control, value)
        page.wait_for_selector(f"[data-drawn*='={value}']")
    page.keyboard.press("t")
    page.wait_for_selector("[data-drawn*='tissue.png']")


def test_the_thumbnail_lies_where_the_slide_will_be(page, finished: str) -> None:
    page.route("**/slide_files/**", lambda route: None)  # tiles that never come
    page.goto(f"/jobs/{finished}/view")
    until(lambda: page.evaluate("performance.getEntriesByName('picture').length === 1"), 20)
    page.locator("#scale-bar").wait_for()
    page.keyboard.press("o")
    page.wait_for_timeout(600)
    thumbnail, place = picture(page), page.locator(".underlay").bounding_box()
    page.unroute("**/slide_files/**")
    open_slide(page, finished)
    assert page.locator(".underlay").count() == 0
    page.keyboard.press("o")
    until(lambda: page.locator("[data-drawn*=heatmap]").count() == 0)
    page.wait_for_timeout(300)
    x, y = (round(place[side] - page.locator(".stage").bounding_box()[side]) for side in "xy")
    inside = (slice(y + 4, y + round(place["height"]) - 4), slice(x + 4, x + round(place["width"]) - 4))
    tiles = picture(page)
    assert np.abs(block_means(tiles[inside]) - block_means(thumbnail[inside])).mean() < 4
    assert np.abs(block_means(tiles[inside][:, :-16]) - block_means(thumbnail[inside][:, 16:])).mean() > 4


def test_each_class_has_a_map_of_its_own(page, finished: str) -> None:
    open_slide(page, finished)
    shown, explained = picture(page), page.locator(".legend + .small").inner_text()
    names = page.locator("#map-which option").all_inner_texts()
    queries = ("tile_scores&class=malignant", "tile_scores&class=not_malignant", "attention&scale")
    assert len(names) == 3
    for name, query in list(zip(names, queries, strict=True))[1:]:
        page.select_option("#map-which", label=name)
        page.wait_for_selector(f"[data-drawn*='quantity={query}']")
        page.wait_for_timeout(200)
        now = picture(page)
        assert np.mean(np.abs(now - shown).sum(axis=2) > 30) > 0.02, name
        assert page.locator(".legend + .small").inner_text() != explained
        shown, explained = now, page.locator(".legend + .small").inner_text()


def test_the_panel_speaks_as_people_do(page, finished: str) -> None:
    open_slide(page, finished)
    panel, chooser = page.locator("#panel"), page.locator("#map-which")
    assert "not malignant" in panel.inner_text()
    for name in chooser.locator("option").all_inner_texts():
        page.select_option("#map-which", label=name)
        assert "_" not in panel.inner_text()
        assert chooser.evaluate(FITS, name), name
    assert re.search(r"Focus was examined on \d+ of \d+ tiles", panel.inner_text())
    assert re.search(r"Finished\s+\d{4}-\d\d-\d\d \d\d:\d\d", panel.inner_text())
    assert "Student" not in panel.inner_text()
    page.get_by_text("Technical details").click()
    assert "Student" in panel.inner_text()


def test_a_top_tile_is_flown_to(page, finished: str) -> None:
    open_slide(page, finished)
    before, far = picture(page), page.locator("#magnification").inner_text()
    page.locator("#tiles button").first.click()
    until(lambda: page.locator("#magnification").inner_text() != far)
    page.wait_for_timeout(1000)
    assert np.mean(np.abs(picture(page) - before).sum(axis=2) > 30) > 0.2
    assert page.locator("#tiles button").first.get_attribute("aria-pressed") == "true"
    assert page.locator("#tiles img").first.evaluate("image => image.naturalWidth") == 224


@pytest.mark.parametrize("address", ["/", "/jobs/none/view"])
def test_a_strict_policy_holds(page, address: str) -> None:
    answer = page.goto(address)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = true'}))")
    assert page.evaluate("window.ran") is None
    page.complaints.clear()  # the violation was ours
