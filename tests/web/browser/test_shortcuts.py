"""Every key that the dialog names is pressed, and does what the dialog says."""

import pytest

from tests.service import until
from tests.web.browser.acts import open_slide

STATE = """() => {
  const { viewport } = OpenSeadragon.getViewer("viewer");
  const { x, y, width, height } = viewport.getBounds();
  const screen = viewport.getContainerSize();
  const value = (id) => document.getElementById(id).value;
  const checked = (kind) => document.querySelector(`[data-layer=${kind}]`).checked;
  return {
    x, y, width, height, screen: [screen.x, screen.y],
    shown: document.getElementById("map-shown").checked, opacity: Number(value("map-opacity")),
    scale: value("map-scale"), palette: value("map-palette"), map: value("map-which"),
    tissue: checked("tissue"), quality: checked("qc"),
    tile: [...document.querySelectorAll("#tiles button")].findIndex(
      (one) => one.getAttribute("aria-pressed") === "true"),
  };
}"""
ZOOM_STEP, PAN_PX, PAGE = 1.6, 80, 0.75
START = "0++"
"""Pressed before each key: in the middle of the slide, with room to every side."""


def moved(before: dict, after: dict, right_px: float, down_px: float) -> bool:
    """Whether the view went by so many pixels of the screen, and by nothing else."""
    per_px = before["width"] / before["screen"][0]
    wanted = {**before, "x": before["x"] + right_px * per_px, "y": before["y"] + down_px * per_px}
    return same(after, wanted)


def same(one: dict, other: dict) -> bool:
    return all(
        one[name] == (pytest.approx(other[name], abs=1e-9) if isinstance(other[name], float) else other[name])
        for name in other
    )


def page_px(state: dict) -> float:
    return PAGE * state["screen"][1]


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in before if not same({name: after[name]}, {name: before[name]})}


DOES = {
    "+": lambda b, a: a["width"] == pytest.approx(b["width"] / ZOOM_STEP),
    "-": lambda b, a: a["width"] == pytest.approx(b["width"] * ZOOM_STEP),
    "0": lambda b, a: a["width"] > 2 * b["width"] and a["x"] <= 0 <= 1 <= a["x"] + a["width"],
    "Home": lambda b, a: a["width"] > 2 * b["width"] and a["x"] <= 0 <= 1 <= a["x"] + a["width"],
    "ArrowLeft": lambda b, a: moved(b, a, -PAN_PX, 0),
    "ArrowRight": lambda b, a: moved(b, a, PAN_PX, 0),
    "ArrowUp": lambda b, a: moved(b, a, 0, -PAN_PX),
    "ArrowDown": lambda b, a: moved(b, a, 0, PAN_PX),
    "PageUp": lambda b, a: moved(b, a, 0, -page_px(b)),
    "PageDown": lambda b, a: moved(b, a, 0, page_px(b)),
    "o": lambda b, a: changed(b, a) == {"shown"},
    "[": lambda b, a: a == {**b, "opacity": b["opacity"] - 10},
    "]": lambda b, a: a == {**b, "opacity": b["opacity"] + 10},
    "v": lambda b, a: changed(b, a) == {"scale"},
    "p": lambda b, a: changed(b, a) == {"palette"},
    "c": lambda b, a: changed(b, a) == {"map"},
    "t": lambda b, a: a == {**b, "tissue": not b["tissue"]},
    "q": lambda b, a: a == {**b, "quality": not b["quality"]},
    **{str(n): lambda b, a, n=n: a["tile"] == n - 1 and a["width"] < b["width"] for n in range(1, 10)},
    "Escape": lambda b, a: (b["tile"], a["tile"]) == (2, -1) and changed(b, a) == {"tile"},
}
BEFORE = {"Escape": "3"}
"""What there must be for a key to change."""


def state(page) -> dict:
    return page.evaluate(STATE)


def keys_of_the_dialog(page) -> list[str]:
    page.keyboard.press("?")
    page.get_by_role("heading", name="Shortcuts").wait_for()
    keys = page.locator("dialog kbd").evaluate_all("all => all.map((one) => one.dataset.key)")
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    return keys


def test_every_key_of_the_dialog_does_what_it_says(page, finished: str) -> None:
    open_slide(page, finished)
    keys = keys_of_the_dialog(page)
    assert set(keys) == set(DOES)
    for key in keys:
        for first in START + BEFORE.get(key, ""):
            page.keyboard.press(first)
        before = state(page)
        page.keyboard.press(key)
        assert DOES[key](before, state(page)), key


def test_shift_does_not_matter_for_plus_and_minus(page, finished: str) -> None:
    open_slide(page, finished)
    for key, alias in (("+", "="), ("-", "_")):
        for first in START:
            page.keyboard.press(first)
        before = state(page)
        page.keyboard.press(alias)
        assert DOES[key](before, state(page))


@pytest.mark.parametrize("control", ["#map-opacity", "#map-palette", "#map-shown", "#home"])
def test_letters_and_digits_work_wherever_the_focus_is(page, finished: str, control: str) -> None:
    open_slide(page, finished)
    page.locator(control).focus()
    for key in ("t", "[", "c", "v", "+", "3", "0"):
        before = state(page)
        page.keyboard.press(key)
        assert changed(before, state(page)) != set(), key


def test_a_slider_keeps_its_arrows_until_escape(page, finished: str) -> None:
    open_slide(page, finished)
    page.keyboard.press("+")
    page.locator("#map-opacity").focus()
    before = state(page)
    page.keyboard.press("ArrowRight")
    assert state(page) == {**before, "opacity": before["opacity"] + 5}
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert moved({**before, "opacity": before["opacity"] + 5}, state(page), PAN_PX, 0)


def test_what_the_mouse_chose_leaves_the_arrows_to_the_slide(page, finished: str) -> None:
    open_slide(page, finished)
    page.keyboard.press("+")
    slider = page.locator("#map-opacity")
    slider.click(position={"x": slider.bounding_box()["width"] * 0.9, "y": 5})
    until(lambda: state(page)["opacity"] > 70)
    before = state(page)
    page.keyboard.press("ArrowDown")
    assert moved(before, state(page), 0, PAN_PX)
    page.locator("#home").click()
    page.keyboard.press("+")
    before = state(page)
    page.keyboard.press("ArrowLeft")
    assert moved(before, state(page), -PAN_PX, 0)


def test_the_panel_scrolls_by_its_own_arrows(page, finished: str) -> None:
    open_slide(page, finished)
    page.locator("#panel").focus()
    before = state(page)
    page.keyboard.press("PageDown")
    until(lambda: page.locator("#panel").evaluate("panel => panel.scrollTop") > 0)
    assert state(page) == before


def test_a_slide_without_a_result_is_moved_by_the_same_keys(page, hospital, slides_dir) -> None:
    with hospital.paused("worker"):
        path = str(slides_dir / "fix_cmu1_small_region.svs")
        job = hospital.http.post("/analyze", json={"source": {"type": "path", "path": path}}).json()
        page.goto(f"/jobs/{job['id']}/view")
        until(lambda: page.evaluate("performance.getEntriesByName('first-tile').length === 1"), 20)
        viewport = "OpenSeadragon.getViewer('viewer').viewport.getBounds().x"
        page.keyboard.press("+")
        before = page.evaluate(viewport)
        page.keyboard.press("ArrowRight")
        assert page.evaluate(viewport) > before
    hospital.wait(job["id"])
