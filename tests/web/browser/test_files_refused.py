"""Files that are no slides: told of at once, listed, counted and found like others, tried again where it helps."""

import re
from pathlib import Path

from tests.web.browser.acts import SECONDS, drop, drop_paths, open_worklist, row, serious


def test_a_folder_is_told_of_at_once(page, slides_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "series of a scanner"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"one of many")
    slide = tmp_path / "beside_it.svs"
    slide.write_bytes((slides_dir / "fix_cmu1_small_region.svs").read_bytes())
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_worklist(page)
    drop_paths(page, [folder, slide])
    row(page, folder.name).locator(".state.failed").wait_for(timeout=2 * SECONDS)
    assert "This is a folder" in row(page, folder.name).inner_text()
    assert "Pack it as a .zip" in row(page, folder.name).inner_text()
    row(page, "beside_it").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    assert sum(url.endswith("/uploads/") for url in asked) == 1


def test_a_file_that_is_gone_when_its_turn_comes_is_told_of(page, tmp_path: Path) -> None:
    open_worklist(page)
    page.route("**/uploads/", lambda route: None)  # answers that never come
    for name in ("first", "second"):
        drop(page, f"{name}.svs", b"under way")
    gone = tmp_path / "moved_away.svs"
    gone.write_bytes(b"there when it was dropped")
    drop_paths(page, [gone])
    page.get_by_text("waiting to upload").wait_for()
    gone.unlink()
    page.get_by_role("button", name="Stop first.svs").click()
    row(page, gone.name).locator(".state.failed").wait_for(timeout=5 * SECONDS)
    assert "cannot be read on this computer" in row(page, gone.name).inner_text()
    row(page, gone.name).get_by_role("button", name=f"Try {gone.name} again").wait_for()


def test_what_is_no_slide_is_listed_by_its_whole_name_and_not_tried_again(page) -> None:
    open_worklist(page)
    before = shown(page)
    drop(page, "gross_photo.jpg", b"\xff\xd8\xff\xe0 not a slide")
    refused = row(page, "gross_photo.jpg")
    refused.locator(".state.failed").wait_for(timeout=30 * SECONDS)
    assert shown(page) == (before[0] + 1, before[1] + 1)
    assert refused.get_by_role("button", name="Try gross_photo.jpg again").count() == 0
    page.get_by_text("Done", exact=True).first.click()
    refused.wait_for(state="detached")
    page.get_by_text("Failed or cancelled").click()
    refused.wait_for()
    page.locator("#search").fill("another")
    refused.wait_for(state="detached")
    page.locator("#search").fill("PHOTO")
    refused.wait_for()
    refused.get_by_role("button", name="Dismiss gross_photo.jpg").click()
    refused.wait_for(state="detached")


def test_an_objectives_power_is_no_resolution(page, slides_dir: Path) -> None:
    open_worklist(page)
    drop(page, "no_mpp.tif", (slides_dir / "dev_tubadenoma_he_nomag_generic.tiff").read_bytes())
    lacking = row(page, "no_mpp.tif")
    value = lacking.get_by_label("Resolution of no_mpp.tif")
    value.wait_for(timeout=30 * SECONDS)
    assert serious(page) == []
    value.fill("40")
    lacking.get_by_role("button", name="Analyse").click()
    wrong = value.evaluate("input => input.validationMessage")
    assert wrong == "40 µm/px is not possible; did you mean 40x (0.25)?"
    lacking.get_by_role("button", name="20x = 0.5").click()
    assert value.input_value() == "0.5"
    lacking.get_by_role("button", name="Analyse").click()
    row(page, "no_mpp").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)


def test_the_panels_resolution_is_asked_about_too(page) -> None:
    open_worklist(page)
    page.get_by_text("Case, priority and more").click()
    field = page.get_by_role("textbox", name="Resolution")
    field.fill("20")
    drop(page, "unsent.svs", b"never sent")
    wrong = field.evaluate("input => input.validationMessage")
    assert wrong == "20 µm/px is not possible; did you mean 20x (0.5)?"
    assert row(page, "unsent").count() == 0


def test_a_refused_file_stays_over_a_reload_until_it_is_dismissed(page, hospital, slides_dir: Path) -> None:
    open_worklist(page)
    page.get_by_text("Case, priority and more").click()
    page.get_by_role("textbox", name="Case").fill("S26-77")
    drop(page, "lacking.tif", (slides_dir / "dev_tubadenoma_he_nomag_generic.tiff").read_bytes())
    drop(page, "photo.jpg", b"\xff\xd8\xff\xe0 not a slide")
    for name in ("lacking.tif", "photo.jpg"):
        row(page, name).locator(".state.failed").wait_for(timeout=30 * SECONDS)
    page.reload()
    row(page, "photo.jpg").get_by_role("button", name="Dismiss photo.jpg").click()
    row(page, "photo.jpg").wait_for(state="detached")
    page.reload()
    lacking = row(page, "lacking.tif")
    assert "case S26-77" in lacking.inner_text()
    assert row(page, "photo.jpg").count() == 0
    lacking.get_by_role("button", name="20x = 0.5").click()
    lacking.get_by_role("button", name="Analyse").click()
    row(page, "lacking").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    assert hospital.http.get("/jobs", params={"slide_id": "lacking"}).json()["jobs"][0]["case_id"] == "S26-77"
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0
    other = page.context.new_page()
    open_worklist(other)
    assert row(other, "lacking.tif").count() == 0


def shown(page) -> tuple[int, int]:
    """Entries that are shown, and that there are."""
    some, all_of_them = re.findall(r"\d+", page.locator("#count").inner_text()) or (0, 0)
    return int(some), int(all_of_them)
