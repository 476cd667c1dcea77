import numpy as np
import pytest

from app.errors import RequestInvalidError, TaskNotFoundError
from app.results.heads import TileValues, opening_class, shown_map
from tests.results.make_result import Recipe, make_result


def shown(recipe: Recipe, label: str | None = None, quantity=None) -> TileValues:
    tiles = shown_map(make_result(recipe), label=label, quantity=quantity).tiles
    assert tiles is not None
    return tiles


def test_tile_scores_of_the_positive_class_open_first_where_the_head_gives_them() -> None:
    for kind in ("shared", "per_class", "none"):
        tiles = shown(Recipe(attention_kind=kind, tile_scores=True))
        assert (tiles.quantity, tiles.label) == ("tile_scores", "tumour")
        np.testing.assert_allclose(tiles.values, np.linspace(-1, 1, 24).reshape(-1, 2)[:, 1], rtol=1e-5)


def test_else_attention_does_and_shared_attention_has_no_label() -> None:
    tiles = shown(Recipe())
    assert (tiles.quantity, tiles.label) == ("attention", None)
    np.testing.assert_allclose(tiles.values, np.arange(1, 13) / 78, rtol=1e-6)


def test_per_class_shows_the_positive_class_first_and_any_other_on_request() -> None:
    recipe = Recipe(attention_kind="per_class")
    assert shown(recipe).label == "tumour"
    assert shown(recipe).values.argmax() == 11
    assert shown(recipe, "normal").values.argmax() == 0


def test_attention_is_shown_on_request() -> None:
    recipe = Recipe(attention_kind="per_class", tile_scores=True)
    assert shown(recipe, quantity="attention").quantity == "attention"
    assert shown(recipe, "normal").quantity == "tile_scores"


def test_the_class_that_opens_first_is_the_positive_one_else_the_last_of_two_else_the_likeliest() -> None:
    scores = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert opening_class(["a", "b"], "a", scores) == "a"
    assert opening_class(["a", "b"], None, scores) == "b"
    assert opening_class(["c", "a", "b"], None, scores) == "a"


def test_a_head_without_a_map_shows_none() -> None:
    assert shown_map(make_result(Recipe(attention_kind="none"))).tiles is None


def test_what_a_head_does_not_have_is_refused() -> None:
    with pytest.raises(TaskNotFoundError, match="no task colour"):
        shown_map(make_result(), "colour")
    for recipe in (Recipe(attention_kind="per_class"), Recipe(tile_scores=True), Recipe(attention_kind="none")):
        with pytest.raises(TaskNotFoundError, match="no class stroma"):
            shown_map(make_result(recipe), label="stroma")
    with pytest.raises(RequestInvalidError, match="shared by all classes"):
        shown_map(make_result(), label="tumour")
    with pytest.raises(RequestInvalidError, match="no tile scores"):
        shown_map(make_result(), quantity="tile_scores")
    with pytest.raises(RequestInvalidError, match="no attention"):
        shown_map(make_result(Recipe(attention_kind="none", tile_scores=True)), quantity="attention")
