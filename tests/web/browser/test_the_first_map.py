"""What opens first: the scores for the positive class, with numbers, and the tiles that stand highest on that map."""

import io
import re

import h5py
import numpy as np
import pytest

from app.results.slide_result import TISSUE_MIN_SHOWN
from tests.service import until
from tests.web.browser.acts import open_slide, serious


@pytest.fixture
def tiles(hospital, finished: str):
    """What embeddings.h5 says: scores for malignant [N], attention [N], tissue [N]."""
    with h5py.File(io.BytesIO(hospital.http.get(f"/jobs/{finished}/embeddings.h5").content)) as file:
        scores = file["tile_scores/malignancy"]
        malignant = list(scores.attrs["labels"]).index("malignant")
        return scores[:, malignant], file["attention/malignancy"][0], file["tissue_fractions"][:]


def shown_numbers(page) -> list[float]:
    return [float(text.split("·")[1]) for text in page.locator("#tiles span").all_inner_texts()]


def test_the_scores_of_the_positive_class_open_first_and_the_strip_shows_their_highest_tiles(
    page, finished: str, tiles
) -> None:
    scores, _, tissue = tiles
    open_slide(page, finished)
    assert page.locator("#map-which option").first.inner_text() == "Tile scores for “malignant” · malignancy"
    assert page.locator("#map-which").evaluate("select => select.selectedIndex") == 0
    assert "quantity=tile_scores&class=malignant" in page.locator("[data-drawn]").get_attribute("data-drawn")
    assert page.locator("#strip-title").inner_text() == "Highest scores for malignant"
    highest = np.sort(scores[tissue >= TISSUE_MIN_SHOWN])[::-1][:10]
    assert shown_numbers(page) == pytest.approx(highest, abs=0.006)
    page.goto(f"/jobs/{finished}/report.html")
    assert page.get_by_role("heading", name="Tile scores for “malignant” · malignancy").is_visible()
    assert page.get_by_role("heading", name="Highest scores for malignant, as the model saw them").is_visible()
    captions = page.locator("figcaption").all_inner_texts()
    assert [float(re.search(r"score (\S+)", text)[1]) for text in captions] == pytest.approx(highest, abs=0.006)


def test_the_legend_has_the_numbers_of_the_tiles_with_a_rank(page, finished: str, tiles) -> None:
    scores, attention, tissue = tiles
    has_rank = tissue >= TISSUE_MIN_SHOWN
    assert 0 < has_rank.sum() < len(has_rank)  # else this proves nothing of glass
    open_slide(page, finished)
    ticks = page.locator(".ticks b")
    assert ticks.all_inner_texts()[:5] == ["0", "25", "50", "75", "100"]
    ends = [float(ticks.nth(n).inner_text()) for n in (5, 9)]
    assert ends == pytest.approx([scores[has_rank].min(), scores[has_rank].max()], abs=0.006)
    page.select_option("#map-which", label="Attention map · malignancy")
    texts = ticks.all_inner_texts()
    ends = [float(texts[n].removesuffix(" %")) / 100 for n in (5, 9)]
    assert ends == pytest.approx([attention[has_rank].min(), attention[has_rank].max()], abs=6e-5)
    note = page.locator(".legend + .small").inner_text()
    assert f"An even share would be {100 / len(scores):.3g} % (tiles: {len(scores)})." in note
    assert f"{(~has_rank).sum()} of {len(scores)} tiles have less than 30 % tissue" in note
    page.select_option("#map-scale", "raw")
    values = [float(text.removesuffix(" %")) / 100 for text in ticks.all_inner_texts()]
    wanted = np.linspace(attention[has_rank].min(), attention[has_rank].max(), 5)
    assert values == pytest.approx(wanted, abs=6e-5)
    assert serious(page) == []


def test_the_legend_is_as_opaque_as_the_map(page, finished: str) -> None:
    open_slide(page, finished)
    for _ in range(2):
        page.keyboard.press("[")
    assert page.locator(".ramp i").evaluate("ramp => getComputedStyle(ramp).opacity") == "0.3"


def test_how_much_tissue_the_model_knows_is_said_once_and_in_numbers(page, finished: str) -> None:
    open_slide(page, finished)
    sentence = "This slide has more tissue (35 tiles) than any the model was trained on (5 to 14)"
    assert page.locator("body").inner_text().count(sentence) == 1
    page.goto(f"/jobs/{finished}/report.html")
    assert page.locator("body").inner_text().count(sentence) == 1
    for text in ("more or less", "out of domain"):
        assert text not in page.locator("body").inner_text().lower()


def test_a_slide_that_waits_has_no_strip(page, hospital, slides_dir) -> None:
    with hospital.paused("worker"):
        path = str(slides_dir / "fix_cmu1_small_region.svs")
        job = hospital.http.post("/analyze", json={"source": {"type": "path", "path": path}}).json()
        page.goto(f"/jobs/{job['id']}/view")
        page.get_by_role("heading", name="In queue").wait_for()
        assert not page.locator("#strip").is_visible()
    page.locator("#tiles button").first.wait_for(timeout=60_000)
    assert page.locator("#strip").is_visible()


@pytest.mark.parametrize("answer", ["none", "late"])
def test_no_map_is_shown_with_the_legend_of_another(page, finished: str, answer: str) -> None:
    open_slide(page, finished)
    held = []
    page.route("**/heatmap.png*attention*", lambda route: route.abort() if answer == "none" else held.append(route))
    page.select_option("#map-which", label="Attention map · malignancy")
    until(lambda: page.locator("[data-drawn]").get_attribute("data-drawn") == "")
    wrong = page.get_by_text("A layer could not be loaded.")
    if answer == "none":
        wrong.wait_for()
        page.select_option("#map-which", index=0)
    else:
        held[0].continue_()
    page.wait_for_selector("[data-drawn*='heatmap.png']")
    assert not wrong.is_visible()
