import json
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from app.results.files.geojson import Origin, geojson_chunks
from app.results.percentile import percentiles
from app.results.pictures.colour_map import colours
from app.results.schema import BoundsPart
from tests.results.make_result import Recipe, make_result


def collection(recipe: Recipe | None = None, origin: Origin = "bounds") -> dict[str, Any]:
    return json.loads("".join(geojson_chunks(make_result(recipe), origin)))


def test_one_closed_square_per_row_in_level_0_px() -> None:
    found = collection()
    assert found["type"] == "FeatureCollection"
    assert found["origin_px"] == [0, 0]
    assert len(found["features"]) == 12
    assert found["features"][0]["geometry"] == {
        "type": "Polygon",
        "coordinates": [[[0, 0], [852, 0], [852, 852], [0, 852], [0, 0]]],
    }
    # row 5 is tile (1, 1): 448 / 0.526 = 851.711…, so it starts at 852 and ends at 1703
    assert found["features"][5]["geometry"]["coordinates"] == [
        [[852, 852], [1703, 852], [1703, 1703], [852, 1703], [852, 852]]
    ]


def test_properties_are_what_qupath_reads() -> None:
    feature = collection()["features"][11]
    assert feature["type"] == "Feature"
    assert feature["properties"]["objectType"] == "tile"
    assert feature["properties"]["color"] == [253, 231, 37]
    assert "classification" not in feature["properties"]
    assert feature["properties"]["measurements"] == {
        "tissue fraction": 1.0,
        "attention": pytest.approx(12 / 78, rel=1e-6),
        "attention percentile": 100.0,
    }


def test_frame_of_bounds_is_shifted_and_frame_of_the_image_is_not() -> None:
    recipe = Recipe(bounds=BoundsPart(x0=300, y0=1000, width=2000, height=1500))
    bounds, image = collection(recipe), collection(recipe, "image")
    assert (bounds["origin_px"], image["origin_px"]) == ([300, 1000], [0, 0])
    for shifted, whole in zip(bounds["features"], image["features"], strict=True):
        difference = np.array(whole["geometry"]["coordinates"]) - shifted["geometry"]["coordinates"]
        assert (difference == [300, 1000]).all()
        assert shifted["id"] == whole["id"]


def test_ids_are_distinct_uuids_and_the_same_every_time() -> None:
    ids = [feature["id"] for feature in collection()["features"]]
    assert len({UUID(name) for name in ids}) == 12
    assert ids == [feature["id"] for feature in collection()["features"]]
    assert all(UUID(name).version == 5 for name in ids)


def test_attention_per_class_classifies_only_tiles_that_got_more_than_their_even_share() -> None:
    found = collection(Recipe(attention_kind="per_class"))
    named = [feature["properties"].get("classification", {}).get("name") for feature in found["features"]]
    # weights are (i + 1) / 78 for tumour and (12 - i) / 78 for normal; an even share is 6.5 / 78
    assert named == ["normal"] * 6 + ["tumour"] * 6
    measurements = found["features"][0]["properties"]["measurements"]
    assert measurements["attention (normal)"] == pytest.approx(12 / 78, rel=1e-6)
    assert measurements["attention percentile (tumour)"] == pytest.approx(100 / 12, abs=0.01)
    assert "color" not in found["features"][0]["properties"]


def test_a_tile_that_no_class_looked_at_has_no_classification() -> None:
    three_classes = collection(Recipe(attention_kind="per_class", labels=("a", "b", "c"), positive_class="c"))
    # a and b fall, c rises: the first tile is a's; on every tile one of them has at least an even share
    assert three_classes["features"][0]["properties"]["classification"]["name"] == "a"
    flat = make_result(Recipe(attention_kind="per_class", columns=3, rows=1))
    flat.heads[0].attention[:] = [[0.6, 0.3, 0.1], [0.8, 0.1, 0.1]]
    features = json.loads("".join(geojson_chunks(flat)))["features"]
    names = [feature["properties"].get("classification", {}).get("name") for feature in features]
    assert names == ["tumour", None, None]


def test_tile_scores_are_measurements_per_class() -> None:
    measurements = collection(Recipe(tile_scores=True))["features"][0]["properties"]["measurements"]
    assert list(measurements) == [
        "tissue fraction",
        "tile score (tumour)",
        "tile score percentile (tumour)",
        "tile score (normal)",
        "tile score percentile (normal)",
        "attention",
        "attention percentile",
    ]
    assert measurements["tile score (normal)"] == -1.0
    assert measurements["tile score (tumour)"] == pytest.approx(-1 + 2 / 23, rel=1e-6)


@pytest.mark.parametrize("attention_kind", ["shared", "per_class", "none"])
def test_tile_scores_colour_the_squares_as_the_heatmap_does(attention_kind: str) -> None:
    result = make_result(Recipe(tile_scores=True, attention_kind=attention_kind))
    result.heads[0].tile_scores[:, 1] = np.arange(12)[::-1]
    features = json.loads("".join(geojson_chunks(result)))["features"]
    wanted = colours(np.arange(12, 0, -1, dtype=np.float32) * np.float32(100 / 12)).tolist()
    assert [feature["properties"]["color"] for feature in features] == wanted
    assert not any("classification" in feature["properties"] for feature in features)


def test_glass_is_grey_and_has_no_rank() -> None:
    found = collection(Recipe(least_tissue=0.1))  # 0.1, 0.18, 0.26, 0.35, …
    grey = [feature["properties"]["color"] == [200, 200, 200] for feature in found["features"]]
    assert grey == [True] * 3 + [False] * 9
    ranked = ["attention percentile" in feature["properties"]["measurements"] for feature in found["features"]]
    assert ranked == [False] * 3 + [True] * 9
    assert all("attention" in feature["properties"]["measurements"] for feature in found["features"])
    assert "Grey tiles have less than 30 % tissue" in found["description"]


def test_several_heads_prefix_their_measurements_with_their_task() -> None:
    measurements = collection(Recipe(tasks=("grade", "stage")))["features"][0]["properties"]["measurements"]
    assert set(measurements) == {
        "tissue fraction",
        "grade: attention",
        "grade: attention percentile",
        "stage: attention",
        "stage: attention percentile",
    }


def test_without_attention_squares_carry_tissue_alone() -> None:
    feature = collection(Recipe(attention_kind="none"))["features"][0]
    assert list(feature["properties"]) == ["objectType", "measurements"]
    assert list(feature["properties"]["measurements"]) == ["tissue fraction"]


def test_it_says_what_it_is_and_names_no_class_where_attention_is_shared() -> None:
    description = collection()["description"]
    assert "not where tumour is" in description
    assert "Not a diagnosis." in description
    assert "normal" not in description


def test_rows_follow_the_results_rows_for_twenty_thousand_tiles() -> None:
    recipe = Recipe(columns=200, rows=100)
    features = collection(recipe)["features"]
    result = make_result(recipe)
    corners = [feature["geometry"]["coordinates"][0][0] for feature in features]
    assert corners == result.coords.tolist()
    found = [feature["properties"]["measurements"]["attention percentile"] for feature in features]
    np.testing.assert_allclose(found, percentiles(result.heads[0].attention[0]), atol=0.006)
