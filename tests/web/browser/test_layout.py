"""Pages fit their screens and everybody: no sideways scroll, nothing over anything else, no serious finding of axe."""

import pytest

from tests.web.browser.acts import open_slide, open_worklist, serious

OVERLAPS = """(selectors) => {
  const boxes = selectors.map((selector) => {
    const element = document.querySelector(selector);
    if (element === null) throw new Error(`there is no ${selector}`);
    return [selector, element.getBoundingClientRect()];
  });
  const found = boxes.filter(([, box]) => box.width === 0 || box.right > innerWidth + 0.5).map(([name]) => name);
  for (const [one, a] of boxes) for (const [other, b] of boxes)
    if (one < other && a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom)
      found.push(`${one} over ${other}`);
  return found;
}"""
WORKLIST = ["header", "#drop", ".filter", ".scroll"]
SLIDE = ["header", ".stage", ".strip", ".panel"]
ON_THE_STAGE = [".tools", ".navigator", "#magnification", "#scale-bar"]
TOO_WIDE = "document.documentElement.scrollWidth > innerWidth"


@pytest.mark.parametrize("size", [(1280, 720), (3840, 2160)], ids=["720p", "4K"])
def test_pages_fit_and_are_accessible(page, finished: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_worklist(page)
    assert serious(page) == []
    assert not page.evaluate(TOO_WIDE)
    assert page.evaluate(OVERLAPS, WORKLIST) == []
    open_slide(page, finished)
    assert serious(page) == []
    assert not page.evaluate(TOO_WIDE)
    assert page.evaluate(OVERLAPS, SLIDE) == []
    assert page.evaluate(OVERLAPS, ON_THE_STAGE) == []
    assert page.evaluate(OVERLAPS, [".stage", ".tools"]) == [".stage over .tools"]  # what it would say
    assert page.locator("#tiles span").first.evaluate("e => e.getBoundingClientRect().bottom <= innerHeight")


def test_the_report_is_accessible(page, finished: str) -> None:
    page.goto(f"/jobs/{finished}/report.html")
    assert serious(page) == []


def test_the_reference_is_as_accessible_as_swagger_ui_can_be(page) -> None:
    """Its headings are buttons with a copy button inside, which is not ours to change; nothing else may be found."""
    page.goto("/docs")
    groups = page.locator(".opblock-tag")
    groups.last.wait_for()
    assert page.evaluate("document.documentElement.scrollHeight") < 2000  # the groups are closed
    groups.evaluate_all("all => all.forEach((one) => one.click())")
    page.get_by_text("The slide as a Deep Zoom image").wait_for()
    assert [finding for finding in serious(page) if not finding.startswith("nested-interactive: ")] == []


def test_buttons_beside_each_other_have_one_height(page, finished: str) -> None:
    open_worklist(page)
    pair = [page.get_by_role(role, name=f"{name} lung") for role, name in (("link", "View"), ("button", "Erase"))]
    assert len({round(button.bounding_box()["height"]) for button in pair}) == 1
    page.set_viewport_size({"width": 700, "height": 700})
    assert not page.evaluate(TOO_WIDE)
    heights = page.locator("#states span").evaluate_all("all => all.map((one) => one.getBoundingClientRect().height)")
    assert len(heights) == 4
    assert len(set(heights)) == 1


@pytest.mark.parametrize("size", [(1024, 700), (1280, 720), (3840, 2160)])
def test_all_top_tiles_are_in_sight_and_grow_with_the_screen(page, finished: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_slide(page, finished)
    assert page.locator("#tiles button").count() == 10
    assert page.locator("#tiles").evaluate("strip => strip.scrollWidth <= strip.clientWidth")
    assert page.locator("#tiles img").first.bounding_box()["width"] > size[1] * 0.08
    assert page.locator("#tiles span").evaluate_all("all => all.every((one) => one.scrollWidth <= one.clientWidth)")
