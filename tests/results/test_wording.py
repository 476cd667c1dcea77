import pytest

from app.results.wording import (
    attention_legend,
    attention_title,
    domain_sentence,
    origin_sentence,
    percent,
    scan_format,
    state_sentence,
    tile_score_legend,
    tile_score_title,
)
from tests.results.make_result import Recipe, make_result


def prediction(**recipe: object):
    return make_result(Recipe(**recipe)).document.predictions[0]


def test_shared_attention_names_no_class_and_says_what_it_is_not() -> None:
    shared = prediction(attention_kind="shared", labels=("adenoma", "carcinoma"), positive_class="carcinoma")
    words = attention_title(shared, None) + attention_legend(shared, None)
    assert "where the model looked, not where tumour is" in words
    assert "adenoma" not in words
    assert "carcinoma" not in words


def test_attention_per_class_names_its_class() -> None:
    per_class = prediction(attention_kind="per_class", labels=("adenoma", "carcinoma"), positive_class="carcinoma")
    for words in (attention_title(per_class, "carcinoma"), attention_legend(per_class, "carcinoma")):
        assert "“carcinoma”" in words
        assert "adenoma" not in words


def test_names_are_written_as_people_write_them() -> None:
    per_class = prediction(attention_kind="per_class", tasks=("tumour_type",), labels=("not_malignant", "malignant"))
    assert attention_title(per_class, "not_malignant") == "Attention map for class “not malignant” · tumour type"
    assert "“not malignant”" in attention_legend(per_class, "not_malignant")
    assert tile_score_title("tumour_type", "not_malignant") == "Tile scores for class “not malignant” · tumour type"
    assert "“not malignant”" in tile_score_legend("not_malignant")


def test_raw_tile_scores_are_explained() -> None:
    assert "raw numbers have no unit and are no probabilities" in tile_score_legend("tumour")


def test_percentages_have_one_decimal_and_a_blank() -> None:
    assert [percent(fraction) for fraction in (0, 0.0219, 1)] == ["0.0 %", "2.2 %", "100.0 %"]


def test_formats_are_written_as_their_makers_write_them() -> None:
    assert [scan_format(vendor) for vendor in ("hamamatsu", "dicom", "generic-tiff")] == ["Hamamatsu", "DICOM", "TIFF"]


def test_a_head_without_attention_says_that_only_tissue_is_shown() -> None:
    words = attention_legend(prediction(attention_kind="none"), None)
    assert "no attention" in words
    assert "tissue only" in words


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
    assert "Outside the model's domain" in str(domain_sentence(prediction(in_domain=False)))
    assert domain_sentence(prediction()) is None


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
