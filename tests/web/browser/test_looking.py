"""What the slide page says of what is on screen: that it is no diagnosis, no scan beyond the scan, or not all there."""

import re

import numpy as np
import pytest

from tests.service import until
from tests.web.browser.acts import open_slide, picture, with_and_without_map

UNREAD = "Part of the slide cannot be read here"
TILE = re.compile(r"/slide_files/(\d+)/")


@pytest.mark.parametrize("size", [(1280, 720), (1024, 700), (700, 700)])
def test_it_always_says_that_it_is_no_diagnosis(page, finished: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_slide(page, finished)
    page.locator("#name").evaluate("element => { element.textContent = 'a_long_name_of_a_slide_'.repeat(8); }")
    box = page.get_by_text("Research use · not a diagnosis").bounding_box()
    assert box["x"] + box["width"] <= size[0]
    assert box["width"] > 100


def test_tiles_that_cannot_be_read_are_told_of_where_they_are_missing(page, finished: str) -> None:
    open_slide(page, finished)
    whole = max(int(level) for level in TILE.findall(" ".join(requests(page))))
    page.route(
        TILE, lambda route: route.abort() if int(TILE.search(route.request.url)[1]) > whole else route.continue_()
    )
    assert page.locator("#unread").inner_text() == ""
    page.keyboard.press("1")
    until(lambda: page.locator("#unread").inner_text() == UNREAD, 20)
    page.keyboard.press("0")
    until(lambda: page.locator("#unread").inner_text() == "", 20)


def test_a_tile_that_comes_after_all_takes_the_notice_away(page, finished: str) -> None:
    open_slide(page, finished)
    page.route(TILE, lambda route: route.abort())
    page.keyboard.press("1")
    until(lambda: page.locator("#unread").inner_text() == UNREAD, 20)
    page.unroute(TILE)
    until(lambda: page.locator("#unread").inner_text() == "", 20)
    assert "µm/px" in page.locator("#magnification").inner_text()


def test_it_says_where_the_scan_has_no_more_to_show(page, finished: str) -> None:
    open_slide(page, finished)
    page.keyboard.press("1")
    until(lambda: "x" in page.locator("#magnification").inner_text())
    assert "beyond" not in page.locator("#magnification").inner_text()
    for _ in range(12):
        page.keyboard.press("+")
    until(lambda: "beyond the scan's 19x (empty magnification)" in page.locator("#magnification").inner_text())


def test_the_overview_lies_above_the_map(page, finished: str) -> None:
    open_slide(page, finished)
    for _ in range(3):
        page.keyboard.press("+")
    page.wait_for_timeout(1000)
    box, stage = page.locator(".navigator").bounding_box(), page.locator(".stage").bounding_box()
    x, y = round(box["x"] - stage["x"]), round(box["y"] - stage["y"])
    inside = (slice(y + 3, y + round(box["height"]) - 3), slice(x + 3, x + round(box["width"]) - 3))
    with_map, without = with_and_without_map(page)
    assert np.mean(np.abs(with_map - without).sum(axis=2) > 30) > 0.05
    assert np.abs(with_map[inside] - without[inside]).max() == 0


def test_escape_takes_a_top_tiles_frame_away(page, finished: str) -> None:
    open_slide(page, finished)
    page.keyboard.press("o")
    until(lambda: page.locator("[data-drawn*=heatmap]").count() == 0)
    page.keyboard.press("1")
    page.wait_for_timeout(1500)
    framed = picture(page)
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert np.mean(np.abs(picture(page) - framed).sum(axis=2) > 30) > 0.002
    assert page.locator("#tiles [aria-pressed=true]").count() == 0


def requests(page) -> list[str]:
    return page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
