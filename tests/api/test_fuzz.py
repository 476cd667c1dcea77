"""A seeded share of `make fuzz`: damaged slides and requests, and nothing that should not happen."""

import io

import numpy as np
from PIL import Image

from tests.fuzz.attack import Report, attack_with_disguises, attack_with_requests, attack_with_slides
from tests.fuzz.disguises import DISGUISES, LABEL_COLOUR, pyramid, shows_label
from tests.fuzz.mutations import MUTATIONS, mutated
from tests.service import until
from tests.tissue import tissue_slide

SLIDES, REQUESTS = 24, 150


def test_damaged_slides_and_requests_are_refused_by_name(guarded, tmp_path):
    service, key, report = guarded.service, guarded.keys["lab"], Report()
    slide = tissue_slide(tmp_path / "s.svs")
    job_id = service.post(slide, key).json()["id"]
    until(lambda: service.http.get(f"/jobs/{job_id}", headers=key).json()["finished_at"] is not None, 60)
    attack_with_slides(service, key, [slide], range(SLIDES), tmp_path, report)
    attack_with_requests(service, key, 0, REQUESTS, job_id, slide.read_bytes(), report)
    assert report.findings == []
    answers = {got for sent, got in report.counts if sent not in {"request with a key", "request without"}}
    assert {"202", "succeeded", "slide_corrupt"} <= answers  # some are refused at once, some survive: all is reached
    assert report.counts["request with a key", "200"] > 0
    assert sum(count for (sent, _), count in report.counts.items() if sent == "request without") > REQUESTS / 2


def test_every_mutation_changes_the_slide_and_a_seed_always_does_the_same(tmp_path):
    original = tissue_slide(tmp_path / "s.svs").read_bytes()
    for seed in range(len(MUTATIONS) * 2):
        kind, data = mutated(original, seed)
        assert data != original, kind
        assert mutated(original, seed) == (kind, data)


def test_odd_slides_are_analysed_as_their_honest_twins_or_refused(guarded, tmp_path):
    report = Report()
    attack_with_disguises(guarded.service, guarded.keys["lab"], range(len(DISGUISES)), tmp_path, report)
    assert report.findings == []
    assert {got for _, got in report.counts} == {"as its twin", "slide_unsupported"}


def test_a_label_in_a_picture_is_seen_and_tissue_is_no_label():
    for pixels, is_label in ((np.full((64, 64, 3), LABEL_COLOUR, np.uint8), True), (pyramid(0)[0], False)):
        picture = io.BytesIO()
        Image.fromarray(pixels).save(picture, "JPEG", quality=60)
        assert shows_label(picture.getvalue()) is is_label
