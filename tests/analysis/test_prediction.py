"""What a number is worth is said beside it."""

import numpy as np
import pytest

from app.analysis.prediction import bag_warning, domain_warnings, predict, top_tiles
from app.inference.manifest import Calibration, Domain, Head, ModelFile
from app.inference.mil_head import HeadOutput
from app.results.wording import NOT_VALID_HERE

DOMAIN = Domain(stain=["H&E"], preparation=["FFPE"], organs=["lung", "colon"])


def head(**changes) -> Head:
    known = {
        "task": "grade",
        "file": ModelFile(name="grade.onnx", sha256="0" * 64),
        "student_sha256": "0" * 64,
        "labels": ["low", "high"],
        "activation": "softmax",
        "positive_class": "high",
        "attention_kind": "shared",
        "bag_size_min": 2,
        "bag_size_max": 4,
        "calibration": Calibration(),
        "intended_use": "Testing.",
        "trained": True,
        "validated": False,
    }
    return Head(**(known | changes))


def output(attention, tile_scores=None) -> HeadOutput:
    return HeadOutput(
        logits=np.array([0.0, 1.0], np.float32),
        probabilities=np.array([0.27, 0.73], np.float32),
        attention=np.array(attention, np.float32),
        tile_scores=None if tile_scores is None else np.array(tile_scores, np.float32),
    )


def test_an_untrained_an_unvalidated_and_an_outside_head_say_so():
    untrained = predict(head(trained=False), output([[1.0]]), outside=[])
    assert (untrained.kind, untrained.trained, untrained.standing) == ("score_uncalibrated", False, "untrained")
    assert "UNTRAINED" in untrained.statement
    assert untrained.top_label is None
    trained = predict(head(), output([[1.0]]), outside=["stain_not_he: not H&E"])
    assert "UNTRAINED" not in trained.statement
    assert "NOT VALIDATED" in trained.statement
    assert "Uncalibrated score, not a probability." in trained.statement
    assert NOT_VALID_HERE in trained.statement
    assert (trained.in_domain, trained.is_meaningful, trained.standing) == (False, False, "not_validated")
    assert trained.out_of_domain_reasons == ("stain_not_he",)
    large = predict(head(), output([[1.0]]), outside=[str(bag_warning(head(), 9))])
    assert NOT_VALID_HERE not in large.statement
    said = "This slide has more tissue (9 tiles) than any the model was trained on (2 to 4): its score is less certain."
    assert said in large.statement
    assert bag_warning(head(), 9) == f"bag_size_out_of_range: {said}"
    assert (large.in_domain, large.is_meaningful) == (False, True)
    assert large.out_of_domain_reasons == ("bag_size_out_of_range",)


def test_a_calibrated_head_gives_probabilities():
    calibration = Calibration(
        status="temperature", temperature=1.5, threshold=0.4, n_cases=200, n_cases_rarest_class=60
    )
    prediction = predict(head(validated=True, calibration=calibration), output([[1.0]]), outside=[])
    assert (prediction.kind, prediction.standing, prediction.is_meaningful) == ("probability", "validated", True)
    assert prediction.top_label == "high"
    assert prediction.probabilities == pytest.approx({"low": 0.27, "high": 0.73})
    assert prediction.statement == (
        "Model validated for its intended use only (Testing). Calibrated probability. Not a diagnosis."
    )


def test_a_sigmoid_head_has_no_top_label():
    assert predict(head(activation="sigmoid"), output([[1.0]]), outside=[]).top_label is None


@pytest.mark.parametrize(
    ("stain", "organ", "stain_he", "codes"),
    [
        (None, None, True, []),
        (None, None, None, []),
        ("h&e", "Lung", True, []),
        ("HE", None, True, []),
        ("Hematoxylin and eosin", None, True, []),
        (None, None, False, ["stain_not_he"]),
        ("PAS", "brain", True, ["stain_out_of_domain", "organ_out_of_domain"]),
    ],
)
def test_what_lies_outside_the_domain_is_warned_of(stain, organ, stain_he, codes):
    warnings = domain_warnings(DOMAIN, stain=stain, organ=organ, stain_he=stain_he)
    assert [warning.split(":")[0] for warning in warnings] == codes


def test_bags_outside_the_training_range_are_warned_of():
    assert bag_warning(head(), 2) is None
    assert bag_warning(head(), 4) is None
    for tiles in (1, 5):
        assert str(tiles) in bag_warning(head(), tiles)


COORDS = np.arange(8).reshape(4, 2).astype(np.int64)
TISSUE = np.array([0.3, 0.5, 1.0, 0.9], np.float32)


def test_top_tiles_are_those_with_the_highest_scores_for_the_positive_class():
    scores = [[0.9, -2.0], [0.1, 0.3], [0.5, 2.5], [0.0, 1.0]]
    found = top_tiles(head(), output([[0.7, 0.1, 0.1, 0.1]], scores), COORDS, TISSUE)
    assert [tile.index for tile in found] == [2, 3, 1, 0]
    first = found[0]
    assert (first.quantity, first.label, first.value, first.percentile) == ("tile_scores", "high", 2.5, 100.0)


def test_without_scores_top_tiles_are_those_with_most_attention():
    shared = top_tiles(head(), output([[0.1, 0.5, 0.2, 0.2]]), COORDS, TISSUE)
    assert shared[0].tissue_fraction == 0.5
    assert [tile.index for tile in shared] == [1, 2, 3, 0]
    assert (shared[0].x0, shared[0].y0, shared[0].percentile, shared[0].label) == (2, 3, 100.0, None)
    assert (shared[0].quantity, shared[0].value) == ("attention", 0.5)
    per_class = output([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    for changes in ({}, {"positive_class": None}):  # without one: the last of two classes
        found = top_tiles(head(attention_kind="per_class", **changes), per_class, COORDS, TISSUE)
        assert (found[0].index, found[0].label) == (3, "high")


def test_glass_is_never_a_top_tile_and_is_not_counted_among_the_ranks():
    tissue = np.array([0.5, 0.29, 1.0, 0.1], np.float32)
    found = top_tiles(head(), output([[0.1, 0.6, 0.2, 0.1]]), COORDS, tissue)
    assert [(tile.index, tile.percentile) for tile in found] == [(2, 100.0), (0, 50.0)]
    assert top_tiles(head(), output([[0.1, 0.6, 0.2, 0.1]]), COORDS, np.full(4, 0.29, np.float32)) == []


def test_a_head_without_a_map_has_no_top_tiles():
    none = HeadOutput(np.zeros(2, np.float32), np.array([0.5, 0.5]), None, None)
    assert top_tiles(head(attention_kind="none"), none, COORDS, TISSUE) == []
