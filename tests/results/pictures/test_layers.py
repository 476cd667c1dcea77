import numpy as np
import pytest

from app.results.pictures.area_layers import BLUR_RGB, DARK_RGB, PEN_RGB, TISSUE_RGB, qc_layer, tissue_layer
from app.results.pictures.colour_map import LOOKUP_TABLES, stops
from app.results.pictures.layers import layers
from app.results.pictures.tile_scale import places
from tests.results.make_result import Recipe, make_result


def ids(recipe: Recipe) -> list[str]:
    return [layer.id for layer in layers(make_result(recipe), "/jobs/x")]


def test_shared_attention_is_one_layer_and_attention_per_class_one_for_each() -> None:
    assert ids(Recipe()) == ["attention.mil", "tissue", "qc"]
    per_class = Recipe(attention_kind="per_class")
    assert ids(per_class) == ["attention.mil.tumour", "attention.mil.normal", "tissue", "qc"]
    assert ids(Recipe(attention_kind="none")) == ["tissue", "qc"]


def test_tile_scores_are_layers_of_their_class_and_say_that_they_outline_nothing() -> None:
    found = layers(make_result(Recipe(tile_scores=True)), "/jobs/x")
    scores = [layer for layer in found if layer.quantity == "tile_scores"]
    assert scores == found[:2]
    assert [layer.label for layer in scores] == ["tumour", "normal"]
    assert found[2].id == "attention.mil"
    assert all("not outline a lesion" in layer.note for layer in scores)
    assert "quantity=tile_scores&class=tumour" in scores[0].url
    assert (scores[0].legend.raw_low, scores[0].legend.raw_high) == pytest.approx((-1 + 2 / 23, 1))


def test_a_legend_has_numbers_of_the_tiles_with_a_rank_and_the_even_share() -> None:
    attention = layers(make_result(Recipe(least_tissue=0.1)), "/jobs/x")[0]
    assert [tick.percentile for tick in attention.legend.ticks] == [0, 25, 50, 75, 100]
    # tile i of 12 has (i + 1) / 78; the first three are glass
    assert [tick.value for tick in attention.legend.ticks] == pytest.approx([n / 78 for n in (4, 6, 8, 10, 12)])
    assert (attention.legend.raw_low, attention.legend.raw_high) == pytest.approx((4 / 78, 12 / 78))
    assert "even share would be 8.33 % (tiles: 12). 3 of 12 tiles have less than 30 % tissue" in attention.note


def test_without_a_tile_of_tissue_there_are_no_numbers() -> None:
    glass = layers(make_result(Recipe(columns=1, rows=1, least_tissue=0.1)), "/jobs/x")[0]
    assert (glass.legend.ticks, glass.legend.raw_low) == ([], None)
    assert "No tile has 30 % tissue" in glass.note


def test_several_heads_have_layers_of_their_own() -> None:
    assert ids(Recipe(tasks=("grade", "stage")))[:2] == ["attention.grade", "attention.stage"]


def test_quality_counts_what_was_judged() -> None:
    qc = layers(make_result(), "/jobs/x")[-1]
    assert qc.legend.entries[-1].label == "out of focus: 1 of 2 examined tiles (12 in all)"
    assert "2 of 12 tiles" in qc.note


def test_quality_paints_ink_over_dark_over_blur() -> None:
    result = make_result()
    pixels = np.asarray(qc_layer(result.artefacts, result))
    assert tuple(pixels[40, 40, :3]) == BLUR_RGB  # the first tile, 80 px wide
    assert pixels[40, 120, 3] == 0  # the second is in focus
    assert pixels[40, 200, 3] == 0  # the third was not judged
    assert tuple(pixels[-1, 0, :3]) == DARK_RGB
    assert tuple(pixels[-1, -1, :3]) == PEN_RGB


def test_no_colour_of_an_area_can_be_taken_for_the_most_attention() -> None:
    for name, table in LOOKUP_TABLES.items():
        for colour in (TISSUE_RGB, PEN_RGB, DARK_RGB, BLUR_RGB):
            assert np.abs(table[-1].astype(int) - colour).max() > 60, (name, colour)


def test_tissue_has_a_rim() -> None:
    result = make_result()
    pixels = np.asarray(tissue_layer(result.tissue_mask))
    assert ((pixels[..., 3] > 0) == result.tissue_mask).all()
    assert tuple(pixels[100, 100, :3]) == TISSUE_RGB
    assert pixels[0, 100, 3] > pixels[100, 100, 3]


def test_places_are_percentiles_or_linear() -> None:
    values = np.array([1, 2, 5], np.float32)
    np.testing.assert_allclose(places(values, "percentile"), [100 / 3, 200 / 3, 100], rtol=1e-6)
    np.testing.assert_allclose(places(values, "raw"), [0, 25, 100], atol=1e-4)
    np.testing.assert_array_equal(places(np.full(3, 0.5, np.float32), "raw"), [100, 100, 100])


def test_every_palette_grows_lighter() -> None:
    for name, table in LOOKUP_TABLES.items():
        light = table[::15].astype(float) @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(light) > 0).all(), name
        assert stops(name)[0] == "#" + bytes(table[0].tolist()).hex()
        assert len(stops(name)) == 9
