import io
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from PIL import Image

from app.results.report.report import Report, Subject, build_report
from app.results.report.report_html import render_html
from app.results.report.report_map import draw_report_map
from app.results.report.report_pdf import render_pdf
from app.stated import Stated
from tests.results.make_result import Recipe, make_result

SUBJECT = Subject("01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11", "S26-1-A1", datetime(2026, 3, 4, 5, 6, tzinfo=UTC))


def report(**recipe: object) -> Report:
    return build_report(make_result(Recipe(**recipe)), SUBJECT)


def pdf(**recipe: object) -> bytes:
    result = make_result(Recipe(**recipe))
    made = build_report(
        result, replace(SUBJECT, stated=Stated(case_id="case " * 40, organ="organ " * 33, stain="stain " * 33))
    )
    tile = io.BytesIO()
    Image.new("RGB", (224, 224), (222, 160, 200)).save(tile, "JPEG")
    drawn = draw_report_map(result, result.thumbnail, result.tissue_mask)
    return render_pdf(made, drawn, [tile.getvalue()] * len(made.top_tiles))


def operators(page: bytes) -> list[str]:
    """What the page is drawn with, a line each."""
    streams = re.findall(rb"/FlateDecode[^>]*>>\s*stream\r?\n(.*?)endstream", page, re.S)
    return [line for found in streams for line in zlib.decompress(found).decode("latin-1").splitlines()]


def fill_colours(page: bytes) -> set[str]:
    """The colours that the page fills with, as its own operators."""
    return {line for line in operators(page) if line.endswith(" rg")}


def test_it_names_the_barcode_and_the_time_and_what_the_model_is_worth() -> None:
    made = report(trained=True)
    assert dict(made.identity)["Slide"] == "S26-1-A1"
    assert dict(made.identity)["Analysed"] == "2026-03-04 05:06 UTC"
    assert made.standing == "not_validated"
    assert "research use only" in made.banner
    assert made.answers[0].kind == "uncalibrated score"
    assert made.answers[0].values == (("normal", 0.3), ("tumour", 0.7))
    assert "Research use only" in made.footer


def test_without_a_barcode_it_names_the_hash() -> None:
    plain = Subject(SUBJECT.job_id, None, SUBJECT.finished_at)
    assert dict(build_report(make_result(), plain).identity)["Slide"] == "sha256 555555555555"


def test_the_case_is_told_only_where_it_is_asked_for() -> None:
    asked = build_report(make_result(), replace(SUBJECT, stated=Stated(case_id="S26-1", organ="lung")))
    assert asked.stated == (("Case", "S26-1"), ("Organ, as sent", "lung"), ("Stain, as sent", "not given"))
    assert report().stated == ()


def test_the_weakest_head_decides_how_it_is_coloured() -> None:
    assert report().standing == "untrained"
    assert report(trained=True, validated=True).standing == "validated"


WARNINGS = [
    "stain_not_he: the tissue's colours are not those of H&E.",
    "out_of_focus: 40% of the tissue looks blurred.",
    "pen_ink: ink covers it.",
]


def test_what_makes_a_score_doubtful_stands_at_the_top_and_the_score_does_not_count() -> None:
    made = report(trained=True, in_domain=False, warnings=WARNINGS)
    assert made.foremost == (
        "Not valid for this slide: its stain or organ is outside the model's domain. "
        "The tissue's colours are not those of H&E. 40% of the tissue looks blurred."
    )
    assert made.warnings == ("Ink covers it.",)
    assert not made.answers[0].counts
    page = render_html(made, "")
    assert page.index('class="banner foremost"') < page.index('class="banner not_validated"') < page.index("<h2>")
    assert page.count('<div class="value void">') == 2
    assert "Not valid for this slide." in page


def test_more_tissue_than_the_model_learnt_from_voids_no_score() -> None:
    odd = "bag_size_out_of_range: This slide has more tissue (12 tiles) than any the model was trained on (5 to 9)."
    made = report(trained=True, in_domain=False, outside=("bag_size_out_of_range",), warnings=[odd])
    assert (made.foremost, made.answers[0].counts) == ("", True)
    assert made.warnings == ()  # the prediction's own statement says it, beside the numbers


def test_a_slide_inside_the_domain_has_scores_that_count_and_nothing_foremost() -> None:
    made = report(trained=True)
    assert (made.foremost, made.answers[0].counts) == ("", True)
    page = render_html(made, "")
    assert "foremost" not in page
    assert "void" not in page


def test_blur_stands_at_the_top_without_a_word_on_the_domain() -> None:
    assert report(trained=True, warnings=WARNINGS[1:]).foremost == "40% of the tissue looks blurred."


def test_a_score_that_does_not_count_is_grey_in_the_pdf_too() -> None:
    blue, grey = (fill_colours(pdf(in_domain=in_domain)) for in_domain in (True, False))
    assert blue - grey == {".239216 .415686 .541176 rg"}


def test_warnings_are_sentences_each_once_and_no_more_than_fit() -> None:
    found = report(warnings=["pen_ink: ink covers it.", "dark_area: mind: this.", "pen_ink: ink covers it."]).warnings
    assert found == ("Ink covers it.", "Mind: this.")
    many = report(warnings=[f"code_{n}: warning {n}." for n in range(20)]).warnings
    assert len(many) == 8
    assert many[-1] == "And 13 more, in the result."


def test_more_than_fits_is_said_and_left_to_the_result() -> None:
    made = report(tasks=tuple("abcde"), labels=tuple("nopqrst"), positive_class=None)
    assert [answer.task for answer in made.answers] == ["a", "b", "c"]
    assert [label for label, _ in made.answers[0].values] == ["p", "q", "r", "s", "t"]
    assert made.answers[0].notes[0] == "The 5 highest of 7 classes; the others are in the result."
    assert made.answers[2].notes[-1] == "And 2 more tasks, in the result."


def test_classes_stand_in_the_models_order_and_as_people_write_them() -> None:
    made = report(tasks=("tumour_type",), labels=("not_malignant", "malignant"), positive_class="malignant")
    assert made.answers[0].task == "tumour type"
    assert [label for label, _ in made.answers[0].values] == ["not malignant", "malignant"]
    assert made.map_title == "Attention map · tumour type"


def test_focus_tells_how_many_tiles_were_examined() -> None:
    assert dict(report().quality)["Out of focus"] == "2.0 % of the tissue in 2 examined tiles (12 in all)"


def test_technical_details_are_in_words() -> None:
    made = report(tasks=("tumour_type",))
    rows = dict(made.slide + made.model)
    assert rows["Scan"] == "Aperio, 4259 × 3407 px, 12.3 MB"
    assert rows["Computed"] == "in fp32 on the processor"
    assert rows["Classifier's sha256, tumour type"] == "c" * 64
    page = render_html(made, "")
    assert page.index("as the model saw them") < page.index("Technical details") < page.index(rows["Scan"])
    for unsaid in ("Student", "Manifest", "Head", "ExecutionProvider", "aperio"):
        assert unsaid not in page, unsaid


def test_the_pdf_is_dated_by_its_analysis_and_names_the_software() -> None:
    made = pdf()
    assert b"/CreationDate (D:20260304050600Z)" in made
    assert b"/Creator (xmag-serve 0.1.0)" in made
    assert b"/Producer (xmag-serve 0.1.0)" in made


def test_the_scale_and_the_top_tiles_tell_how_much_lies_behind_the_colours() -> None:
    made = report()
    assert made.map_legend.startswith("An even share would be 8.33 % (tiles: 12). ")
    assert made.top_tiles[0].captions == ("share 15.4 %", "tissue 83.4 %")
    assert "share 15.4 %<br>tissue 83.4 %" in render_html(made, "")
    assert "even share" not in report(attention_kind="none").map_legend
    assert made.top_title == "Tiles with most attention (not evidence of tumour), as the model saw them"


def test_the_report_shows_the_scores_of_the_positive_class_where_there_are_any() -> None:
    made = report(tile_scores=True)
    assert made.map_title == "Tile scores for “tumour” · mil"
    assert made.scale_names == ("Percentile in this slide", "Tile score")
    assert made.ticks[-1] == ("100", "1")
    assert made.top_title == "Highest scores for tumour, as the model saw them"
    assert made.top_title in render_html(made, "")


CROWDED = {
    "in_domain": False,
    "tasks": tuple(f"task_{n}" for n in range(6)),
    "labels": tuple(f"a class with a rather long name, number {n}" for n in range(5)),
    "positive_class": None,
    "warnings": [
        *(
            f"{word}_out_of_domain: the request says {'word ' * 40}; the model knows others."
            for word in ("stain", "organ")
        ),
        *(f"A warning of some length that has to wrap around to the next line, {n}. " * 3 for n in range(30)),
    ],
}


def test_it_stays_one_page_whatever_is_to_be_said() -> None:
    for recipe in ({}, {"attention_kind": "none"}, {"columns": 40, "rows": 2}, {"columns": 1, "rows": 30}, CROWDED):
        made = pdf(**recipe)
        assert made == pdf(**recipe)
        assert made.count(b"/Type /Page\n") == 1


def test_on_a_crowded_page_the_top_tiles_stay_above_the_technical_details() -> None:
    lines = {line.rsplit(" ", 2)[-2]: line.split() for line in operators(pdf(**CROWDED)) if line.endswith(" S")}
    frame_bottom, details_top = float(lines["re"][2]), float(lines["l"][2])
    assert frame_bottom - 22 > details_top + 14  # the captions, and the details' heading


def test_the_map_numbers_its_top_tiles() -> None:
    result = make_result()
    drawn = draw_report_map(result, result.thumbnail, result.tissue_mask)
    corner = np.asarray(drawn.picture)[405:420, 605:615]  # tile (3, 2) of 200 px starts at (600, 400)
    assert corner.min() < 60


def test_the_map_has_a_frame_and_a_scale_bar_below_it() -> None:
    result = make_result()
    pixels = np.asarray(draw_report_map(result, result.thumbnail, result.tissue_mask).picture)
    assert pixels.shape == (835, 1000, 3)
    assert (pixels[799, :] == (216, 219, 224)).all()
    bar_px = round(500 / (5 * 448 / 1000))  # 500 µm; five tiles of 448 µm in 1000 px
    darkest = pixels[800:, :, 0].min(axis=0)
    assert (darkest[:bar_px] < 60).all()
    assert (darkest[bar_px : bar_px + 10] == 255).all()


def test_the_map_of_a_narrow_slide_leaves_room_for_its_scale_bar() -> None:
    result = make_result(Recipe(columns=1, rows=30))
    pixels = np.asarray(draw_report_map(result, result.thumbnail, result.tissue_mask).picture)
    label = pixels[1000:, :, 0].min(axis=0) < 200
    assert 80 < np.flatnonzero(label)[-1] < pixels.shape[1] - 5


def test_every_top_tile_has_a_frame_for_white_beyond_the_scan_is_part_of_it() -> None:
    assert sum(line.endswith(" re S") for line in operators(pdf())) == 1
    assert not any(line.endswith(" re S") for line in operators(pdf(attention_kind="none")))


def test_html_escapes_what_it_is_told() -> None:
    hostile = Subject(SUBJECT.job_id, '"><script>alert(1)</script>', SUBJECT.finished_at)
    page = render_html(build_report(make_result(Recipe(warnings=["pen_ink: <b>bold</b> & more."])), hostile), "")
    assert "<script>" not in page
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold" in page
