import pytest

from app.results.heads import shown_map
from app.results.wording import (
    NOT_VALID_HERE,
    bag_sentence,
    domain_sentence,
    map_legend,
    map_title,
    origin_sentence,
    percent,
    scan_format,
    state_sentence,
    top_tiles_title,
)
from tests.results.make_result import Recipe, make_result


def prediction(**recipe: object):
    return make_result(Recipe(**recipe)).document.predictions[0]


def words_of(label: str | None = None, quantity: str | None = None, **recipe: object) -> list[str]:
    """Title and legend of a map, and the heading of its highest tiles."""
    shown = shown_map(make_result(Recipe(**recipe)), label=label, quantity=quantity)
    return [map_title(shown), map_legend(shown), top_tiles_title(shown)]


def test_shared_attention_names_no_class_and_says_what_it_is_not() -> None:
    words = " ".join(words_of(labels=("adenoma", "carcinoma"), positive_class="carcinoma"))
    assert "where the model looked, not where tumour is" in words
    assert "not evidence of tumour" in words
    assert "adenoma" not in words
    assert "carcinoma" not in words


@pytest.mark.parametrize("tile_scores", [False, True])
def test_a_map_of_a_class_names_it_and_is_no_outline(tile_scores: bool) -> None:
    recipe = {"labels": ("adenoma", "carcinoma"), "positive_class": "carcinoma", "tile_scores": tile_scores}
    title, legend, tops = words_of(attention_kind="per_class", **recipe)
    for words in (title, legend, tops):
        assert "carcinoma" in words
        assert "adenoma" not in words
    assert "not outline a lesion" in legend
    assert tops == f"Highest {'scores' if tile_scores else 'attention'} for carcinoma"


def test_names_are_written_as_people_write_them() -> None:
    recipe = {"tasks": ("tumour_type",), "labels": ("not_malignant", "malignant"), "positive_class": "malignant"}
    title, legend, tops = words_of("not_malignant", attention_kind="per_class", **recipe)
    assert title == "Attention for “not malignant” · tumour type"
    assert "“not malignant”" in legend
    title, legend, tops = words_of("not_malignant", tile_scores=True, **recipe)
    assert title == "Tile scores for “not malignant” · tumour type"
    assert "“not malignant”" in legend
    assert tops == "Highest scores for not malignant"


def test_tile_scores_are_explained() -> None:
    assert "no unit and are not probabilities" in words_of(tile_scores=True)[1]


def test_percentages_have_one_decimal_and_a_blank() -> None:
    assert [percent(fraction) for fraction in (0, 0.0219, 1)] == ["0 %", "2.2 %", "100.0 %"]


def test_formats_are_written_as_their_makers_write_them() -> None:
    assert [scan_format(vendor) for vendor in ("hamamatsu", "dicom", "generic-tiff")] == ["Hamamatsu", "DICOM", "TIFF"]


def test_a_head_without_a_map_says_that_only_tissue_is_shown() -> None:
    title, legend, _ = words_of(attention_kind="none")
    assert title == "Tissue · mil"
    assert "no map" in legend
    assert "tissue only" in legend


@pytest.mark.parametrize(
    ("trained", "validated", "words"),
    [
        (False, False, "UNTRAINED model: research and integration testing only"),
        (True, False, "NOT VALIDATED: research use only"),
        (True, True, "validated for its intended use only (Telling tumour from normal in research)"),
    ],
)
def test_state_is_always_said_and_it_is_never_a_diagnosis(trained: bool, validated: bool, words: str) -> None:
    sentence = state_sentence(prediction(trained=trained, validated=validated))
    assert words in sentence
    assert sentence.endswith("Not a diagnosis.")


def test_out_of_domain_is_said_and_in_domain_says_nothing() -> None:
    document = make_result().document
    assert domain_sentence(prediction(in_domain=False), document) == NOT_VALID_HERE
    assert domain_sentence(prediction(), document) is None


@pytest.mark.parametrize(
    ("tiles", "sentence"),
    [
        (5, None),
        (14, None),
        (35, "This slide has more tissue (35 tiles) than any the model was trained on (5 to 14): "),
        (1, "This slide has less tissue (1 tile) than any the model was trained on (5 to 14): "),
    ],
)
def test_an_unusual_amount_of_tissue_is_said_in_numbers(tiles: int, sentence: str | None) -> None:
    assert bag_sentence(tiles, 5, 14) == (None if sentence is None else f"{sentence}its score is less certain.")


def test_a_resolution_that_was_given_is_not_called_the_scan_s() -> None:
    document = make_result().document
    slide = document.slide.model_copy(update={"mpp_source": "request", "mpp_file": 0.25})
    sentence = origin_sentence(document.model_copy(update={"slide": slide}))
    assert "0.526 µm/px as given with the request" in sentence
    assert "scanned at" not in sentence


def test_origin_names_slide_by_hash_and_model_by_version() -> None:
    assert origin_sentence(make_result().document) == (
        "12 tiles of 224 px at 2 µm/px · line: tissue outline · scanned at 0.526 µm/px · xmag-lite0 0.1.0 · "
        "slide 555555555555"
    )
    assert origin_sentence(make_result(Recipe(columns=1, rows=1)).document).startswith("1 tile of")
