import numpy as np
from PIL import Image

from app.results.percentile import percentiles
from app.results.pictures.colour_map import colours
from app.results.pictures.overlay import (
    OPACITY,
    draw_tissue_outline,
    grey_under,
    index_for,
    paint,
    ranked_index,
    render_overlay_layer,
    shade,
)
from app.results.pictures.tile_frame import tile_index
from app.slides.tissue.box_filter import STRIP_ROWS
from tests.results.make_result import Recipe, make_result


def test_layer_has_the_thumbnails_size_and_each_tiles_colour_at_its_middle() -> None:
    result = make_result()
    layer = render_overlay_layer(result)
    assert layer.mode == "RGBA"
    assert layer.size == (400, 320)  # 5 × 4 cells of 80 px
    pixels = np.asarray(layer)
    expected = colours(percentiles(np.arange(1, 13, dtype=np.float32)))
    for row in range(12):
        i, j = row % 4, row // 4
        assert pixels[j * 80 + 40, i * 80 + 40].tolist() == [*expected[row].tolist(), OPACITY]


def test_layer_is_transparent_where_no_tile_is_and_exact_at_the_border() -> None:
    alpha = np.asarray(render_overlay_layer(make_result()))[..., 3]
    assert (alpha[:240, :320] == OPACITY).all()
    assert (alpha[240:] == 0).all()
    assert (alpha[:, 320:] == 0).all()


def test_layer_without_attention_is_wholly_transparent() -> None:
    layer = render_overlay_layer(make_result(Recipe(attention_kind="none")))
    assert layer.size == (400, 320)
    assert not np.asarray(layer).any()


def test_layer_of_a_class_follows_that_class() -> None:
    result = make_result(Recipe(attention_kind="per_class"))
    tumour, normal = (np.asarray(render_overlay_layer(result, label=label)) for label in ("tumour", "normal"))
    assert (tumour[200, 280] == normal[40, 40]).all()
    assert (tumour[40, 40] != normal[40, 40]).any()


def test_painting_blends_colour_with_grey_and_leaves_the_rest() -> None:
    result = make_result()
    attention = np.arange(1, 13, dtype=np.float32)
    index = index_for(result, (400, 320))
    painted = paint(result.thumbnail, index, attention)
    grey = Image.fromarray(result.thumbnail).convert("L").getpixel((40, 40))
    expected = shade(colours(percentiles(attention)), grey)
    assert np.abs(painted[40, 40].astype(int) - expected[0]).max() <= 1
    assert np.abs(painted[200, 280].astype(int) - expected[11]).max() <= 1
    assert (painted[240:] == result.thumbnail[240:]).all()
    assert (painted[:, 320:] == result.thumbnail[:, 320:]).all()


def test_glass_has_no_colour_and_no_rank() -> None:
    result = make_result(Recipe(least_tissue=0.1))  # 0.1, 0.18, 0.26, 0.35, …: three tiles of glass
    pixels = np.asarray(render_overlay_layer(result))
    assert not pixels[:80, :240, 3].any()
    assert (pixels[:80, 240:320, 3] == OPACITY).all()
    lowest, highest = colours(np.array([100 / 9, 100], np.float32))
    assert (pixels[40, 280, :3] == lowest).all()
    assert (pixels[200, 280, :3] == highest).all()
    index = ranked_index(result, (400, 320))
    painted = paint(result.thumbnail, index, np.arange(9, dtype=np.float32))
    assert (painted[:80, :240] == result.thumbnail[:80, :240]).all()


def test_a_slide_of_glass_alone_has_no_colour_at_all() -> None:
    result = make_result(Recipe(columns=1, rows=1, least_tissue=0.1))
    assert not result.has_rank.any()
    assert not np.asarray(render_overlay_layer(result)).any()


def test_tiny_tiles_get_no_edges_and_large_ones_do() -> None:
    def distinct_in_first_tile(columns: int, thumbnail_px: int) -> int:
        result = make_result(Recipe(columns=columns, rows=1, thumbnail_px=thumbnail_px))
        index = index_for(result, (result.thumbnail.shape[1], result.thumbnail.shape[0]))
        painted = paint(result.thumbnail, index, result.heads[0].attention[0])
        return len(np.unique(painted[index.spread(np.arange(columns + 1)) == 0], axis=0))

    assert distinct_in_first_tile(columns=9, thumbnail_px=400) == 2
    assert distinct_in_first_tile(columns=49, thumbnail_px=400) == 1


def test_outline_darkens_the_edge_of_tissue_only_and_takes_a_mask_of_another_size() -> None:
    picture = np.full((200, 300, 3), 250, dtype=np.uint8)
    mask = np.zeros((20, 30), dtype=np.bool_)
    mask[5:15, 5:25] = True
    changed = (draw_tissue_outline(picture, mask) != picture).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(rows.min() - 50) <= 2
    assert abs(rows.max() - 150) <= 2
    assert abs(columns.min() - 50) <= 2
    assert abs(columns.max() - 250) <= 2
    assert not changed[60:140, 60:240].any()


def test_the_grey_under_the_tiles_is_that_of_all_their_pixels() -> None:
    height, width = 2 * STRIP_ROWS + 17, 300
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture[STRIP_ROWS:] //= 3
    coords = np.array([[0, 0], [100, 0], [200, 0], [100, 100]])
    index = tile_index(coords, 100.0, slide_size=(300, 200), picture_size=(width, height))
    under = np.asarray(Image.fromarray(picture).convert("L"))[index.inside()]
    assert grey_under(picture, index) == round(float(under.mean()))
    nowhere = tile_index(np.array([[900, 900]]), 100.0, slide_size=(300, 200), picture_size=(width, height))
    assert grey_under(picture, nowhere) == 255
