"""What a number is worth is said beside it."""

import numpy as np
import pytest

from app.inference.manifest import Calibration, Domain, Head, ModelFile
from app.inference.mil_head import HeadOutput
from app.prediction import bag_warning, domain_warnings, predict, top_tiles

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


def output(attention) -> HeadOutput:
    return HeadOutput(
        logits=np.array([0.0, 1.0], np.float32),
        probabilities=np.array([0.27, 0.73], np.float32),
        attention=np.array(attention, np.float32),
        tile_scores=None,
    )


def test_an_untrained_an_unvalidated_and_an_outside_head_say_so():
    untrained = predict(head(trained=False), output([[1.0]]), outside=[])
    assert (untrained.kind, untrained.trained) == ("score_uncalibrated", False)
    assert "UNTRAINED" in untrained.statement
    assert untrained.top_label is None
    trained = predict(head(), output([[1.0]]), outside=["stain_not_he: not H&E"])
    assert "UNTRAINED" not in trained.statement
    assert "Not validated" in trained.statement
    assert "uncalibrated" in trained.statement
    assert "OUT OF DOMAIN" in trained.statement
    assert (trained.in_domain, trained.outside) == (False, ("stain_not_he",))
    large = predict(head(), output([[1.0]]), outside=[str(bag_warning(head(), 9))])
    assert "OUT OF DOMAIN" not in large.statement
    assert "more or less tissue" in large.statement
    assert (large.in_domain, large.outside) == (False, ("bag_size_out_of_range",))


def test_a_calibrated_head_gives_probabilities():
    calibration = Calibration(
        status="temperature", temperature=1.5, threshold=0.4, n_cases=200, n_cases_rarest_class=60
    )
    prediction = predict(head(validated=True, calibration=calibration), output([[1.0]]), outside=[])
    assert prediction.kind == "probability"
    assert prediction.top_label == "high"
    assert prediction.probabilities == pytest.approx({"low": 0.27, "high": 0.73})
    assert prediction.statement == "A calibrated probability. Not a diagnosis."


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


def test_top_tiles_are_the_strongest_of_the_positive_class():
    coords = np.arange(8).reshape(4, 2).astype(np.int64)
    fractions = np.array([0.1, 0.5, 1.0, 0.9], np.float32)
    shared = top_tiles(head(), output([[0.1, 0.5, 0.2, 0.2]]), coords, fractions)
    assert shared[0].tissue_fraction == 0.5
    assert [tile.index for tile in shared] == [1, 2, 3, 0]
    assert (shared[0].x0, shared[0].y0, shared[0].percentile, shared[0].label) == (2, 3, 100.0, None)
    per_class = output([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    found = top_tiles(head(attention_kind="per_class"), per_class, coords, fractions)
    assert (found[0].index, found[0].label) == (3, "high")
    without_positive = head(attention_kind="per_class", labels=["low", "high"], positive_class=None)
    found = top_tiles(without_positive, per_class, coords, fractions)
    assert (found[0].index, found[0].label) == (3, "high")  # the likeliest, whose map is shown
