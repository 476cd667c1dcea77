import numpy as np
import pytest

from app.results.heads import TileValues
from app.results.pictures.colour_map import colours
from app.results.pictures.heatmap import MIN_PICTURE_PX, heatmap_description, render_heatmap
from app.results.pictures.overlay import shade
from app.results.pictures.scales import figures_sentence, tick_labels
from app.results.pictures.small_thumbnail import THUMBNAIL_MAX_PX
from tests.results.make_result import Recipe, make_result

MARGIN = 32  # two text sizes of 16 px on the narrowest page


def row_of_picture(page: np.ndarray) -> int:
    """First row of the frame around the picture: the only line of its grey across the whole width."""
    frame = (page[:, MARGIN:-MARGIN] == (216, 219, 224)).all(axis=(1, 2))
    return int(np.flatnonzero(frame)[0])


def test_known_tile_has_its_colour_in_the_enlarged_picture() -> None:
    page = np.asarray(render_heatmap(make_result()))
    top = row_of_picture(page)
    grey = round(0.299 * 222 + 0.587 * 160 + 0.114 * 200)
    first, last = shade(colours(np.array([100 / 12, 100], dtype=np.float32)), grey)
    assert np.abs(page[top + 100, MARGIN + 100].astype(int) - first).max() <= 2  # cells are 200 px in 1000
    assert np.abs(page[top + 500, MARGIN + 700].astype(int) - last).max() <= 2
    assert (page[top + 700, MARGIN + 900] == 248).all()


@pytest.mark.parametrize("thumbnail_px", [60, 400, 1000, 2000, 4000])
def test_page_holds_the_picture_at_its_size_or_fitted(thumbnail_px: int) -> None:
    page = render_heatmap(make_result(Recipe(thumbnail_px=thumbnail_px)))
    picture_px = min(max(MIN_PICTURE_PX, thumbnail_px), THUMBNAIL_MAX_PX)
    text_px = max(16, int(picture_px / 76))
    assert page.width == picture_px + 4 * text_px
    assert page.height > picture_px * 0.8


@pytest.mark.parametrize(("columns", "rows"), [(1, 60), (60, 1)])
def test_strips_of_tissue_still_leave_room_for_the_legend(columns: int, rows: int) -> None:
    page = render_heatmap(make_result(Recipe(columns=columns, rows=rows, thumbnail_px=1500)))
    assert page.width >= 1000
    assert page.height >= 150


@pytest.mark.parametrize("attention_kind", ["shared", "per_class", "none"])
@pytest.mark.parametrize("columns", [1, 20])
def test_every_kind_renders_and_describes_itself(attention_kind: str, columns: int) -> None:
    result = make_result(Recipe(columns=columns, rows=columns, attention_kind=attention_kind))
    assert render_heatmap(result).mode == "RGB"
    words = heatmap_description(result)
    assert "Not a diagnosis." in words
    assert ("An even share would be" in words) == (attention_kind != "none")
    assert ("tumour”" in words) == (attention_kind == "per_class")


def test_without_attention_the_picture_is_tissue_in_its_own_colours() -> None:
    page = np.asarray(render_heatmap(make_result(Recipe(attention_kind="none"))))
    assert page[row_of_picture(page) + 300, MARGIN + 300].tolist() == [222, 160, 200]


def test_twenty_thousand_tiles() -> None:
    assert render_heatmap(make_result(Recipe(columns=200, rows=100, thumbnail_px=1500))).width > 1500


def test_shares_of_attention_stand_beside_percentiles() -> None:
    attention = np.array([0.4, 0.1, 0.3, 0.2], dtype=np.float32)
    assert tick_labels(TileValues("attention", None, attention), np.ones(4, np.bool_)) == [
        ("0", "10 %"),
        ("25", "10 %"),
        ("50", "20 %"),
        ("75", "30 %"),
        ("100", "40 %"),
    ]


def test_scores_stand_beside_percentiles_and_glass_has_none() -> None:
    scores, has_rank = np.array([9, -1.5, 2, 3.25], np.float32), np.array([0, 1, 1, 1], np.bool_)
    assert tick_labels(TileValues("tile_scores", "tumour", scores), has_rank) == [
        ("0", "-1.5"),
        ("25", "-1.5"),
        ("50", "2"),
        ("75", "3.25"),
        ("100", "3.25"),
    ]


@pytest.mark.parametrize(
    ("tiles", "least_tissue", "sentence"),
    [
        (35, 0.3, "An even share would be 2.86 % (tiles: 35)."),
        (1, 0.3, "An even share would be 100 % (tiles: 1)."),
        (
            10,
            0.29,
            "An even share would be 10 % (tiles: 10). 1 of 10 tiles has less than 30 % tissue and no colour or rank.",
        ),
        (
            1,
            0.1,
            "An even share would be 100 % (tiles: 1). No tile has 30 % tissue, so no tile has a colour or a rank.",
        ),
    ],
)
def test_the_even_share_and_the_glass_stand_under_the_scale(tiles: int, least_tissue: float, sentence: str) -> None:
    result = make_result(Recipe(columns=tiles, rows=1, least_tissue=least_tissue))
    attention = TileValues("attention", None, result.heads[0].attention[0])
    assert figures_sentence(attention, result) == sentence
    assert "share" not in figures_sentence(TileValues("tile_scores", "tumour", attention.values), result)


def test_the_heatmap_shows_the_scores_of_the_positive_class_where_there_are_any() -> None:
    result = make_result(Recipe(tile_scores=True))
    result.heads[0].tile_scores[:, 1] = np.arange(12)[::-1]
    page = np.asarray(render_heatmap(result))
    top = row_of_picture(page)
    grey = round(0.299 * 222 + 0.587 * 160 + 0.114 * 200)
    lowest, highest = shade(colours(np.array([100 / 12, 100], dtype=np.float32)), grey)
    assert np.abs(page[top + 100, MARGIN + 100].astype(int) - highest).max() <= 2
    assert np.abs(page[top + 500, MARGIN + 700].astype(int) - lowest).max() <= 2
    assert heatmap_description(result).startswith("Tile scores for “tumour” · mil.")


def test_how_much_tissue_the_model_knows_is_said_in_numbers() -> None:
    result = make_result(Recipe(trained=True, in_domain=False, outside=("bag_size_out_of_range",)))
    assert heatmap_description(result).count("This slide has more tissue (12 tiles) than any the model was") == 1


def test_same_result_gives_the_same_picture() -> None:
    assert render_heatmap(make_result()).tobytes() == render_heatmap(make_result()).tobytes()
