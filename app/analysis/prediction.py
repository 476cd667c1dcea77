"""From a head's raw output to a statement that a reader can trust: what was scored, and what it is worth."""

from collections.abc import Iterable, Sequence

import numpy as np

from app.inference.manifest import Domain, Head
from app.inference.mil_head import HeadOutput
from app.results.heads import opening_class, opening_values
from app.results.percentile import percentiles
from app.results.schema import BagSizePart, CalibrationPart, PredictionPart, Standing, TopTilePart
from app.results.slide_result import HeadMap, has_rank
from app.results.wording import NOT_A_DIAGNOSIS, NOT_VALID_HERE, bag_sentence, kind_sentence, standing_sentence
from app.slides.types import Float32Array, Int64Array
from app.warning import code_of, coded, sentence_of

TOP_TILES = 10
HE_WORDS = frozenset({"h&e", "he", "hematoxylin and eosin", "haematoxylin and eosin"})


def domain_warnings(domain: Domain, *, stain: str | None, organ: str | None, stain_he: bool | None) -> list[str]:
    """Warnings of what lies outside the model's domain."""
    warnings: list[str] = []
    if stain_he is False:
        sentence = "the tissue's colours are not those of H&E, the only stain that this model was made for."
        warnings.append(coded("stain_not_he", sentence))
    if stain is not None and not _known(stain, domain.stain):
        sentence = f"the request gives the stain {stain!r}. The model was made for {_list(domain.stain)}."
        warnings.append(coded("stain_out_of_domain", sentence))
    if organ is not None and domain.organs and not _known(organ, domain.organs):
        sentence = f"the request gives the organ {organ!r}. The model was made for {_list(domain.organs)}."
        warnings.append(coded("organ_out_of_domain", sentence))
    return warnings


def bag_warning(head: Head, tiles: int) -> str | None:
    """A warning when the slide has fewer or more tiles than the head was trained on."""
    sentence = bag_sentence(tiles, head.bag_size_min, head.bag_size_max)
    if sentence is None:
        return None
    return coded("bag_size_out_of_range", sentence)


def predict(head: Head, output: HeadOutput, *, outside: Sequence[str]) -> PredictionPart:
    """The prediction of one head. ``outside``: the warnings of stain, organ and bag size."""
    reasons = tuple(map(code_of, outside))
    calibrated = head.calibration.status != "none" and head.trained
    probabilities = [float(value) for value in output.probabilities]
    has_top = head.activation == "softmax" and head.trained  # an untrained head's favourite is noise
    top = head.labels[int(np.argmax(output.probabilities))] if has_top else None
    return PredictionPart(
        task=head.task,
        labels=head.labels,
        activation=head.activation,
        kind="probability" if calibrated else "score_uncalibrated",
        probabilities=dict(zip(head.labels, probabilities, strict=True)),
        logits=dict(zip(head.labels, map(float, output.logits), strict=True)),
        positive_class=head.positive_class,
        top_label=top,
        calibration=CalibrationPart(**head.calibration.model_dump(include=set(CalibrationPart.model_fields))),
        attention_kind=head.attention_kind,
        trained=head.trained,
        validated=head.validated,
        standing=_standing(head),
        in_domain=not outside,
        out_of_domain_reasons=reasons,
        is_meaningful=is_meaningful(reasons),
        intended_use=head.intended_use,
        bag_size=BagSizePart(least_tiles=head.bag_size_min, most_tiles=head.bag_size_max),
        statement=_statement(head, calibrated=calibrated, outside=outside),
    )


def top_tiles(head: Head, output: HeadOutput, coords: Int64Array, tissue_fractions: Float32Array) -> list[TopTilePart]:
    """The highest tiles of the map that opens first, highest first; none of them is mostly glass.

    ``coords``: int64 [N, 2]; ``tissue_fractions``: float32 [N]. Empty for a head without a map.
    """
    scores = dict(zip(head.labels, map(float, output.probabilities), strict=True))
    label = opening_class(head.labels, head.positive_class, scores)
    tiles = opening_values(HeadMap(head.task, tuple(head.labels), output.attention, output.tile_scores), label)
    if tiles is None:
        return []
    rows = np.flatnonzero(has_rank(tissue_fractions))
    values = tiles.values[rows]
    places = percentiles(values)
    return [
        TopTilePart(
            task=head.task,
            rank=rank,
            index=int(rows[place]),
            x0=int(coords[rows[place], 0]),
            y0=int(coords[rows[place], 1]),
            quantity=tiles.quantity,
            label=tiles.label,
            value=float(values[place]),
            percentile=float(places[place]),
            tissue_fraction=float(tissue_fractions[rows[place]]),
        )
        for rank, place in enumerate(np.argsort(-values, kind="stable")[:TOP_TILES], 1)
    ]


def is_meaningful(reasons: Iterable[str]) -> bool:
    """Whether a score is valid for a slide outside the domain for these reasons. An unusual amount of tissue only makes
    it less certain."""
    return {*reasons} <= {"bag_size_out_of_range"}


def _standing(head: Head) -> Standing:
    if not head.trained:
        return "untrained"
    return "validated" if head.validated else "not_validated"


def _statement(head: Head, *, calibrated: bool, outside: Sequence[str]) -> str:
    """``outside``: the warnings of stain, organ and bag size."""
    use = head.intended_use
    parts = [standing_sentence(is_trained=head.trained, is_validated=head.validated, intended_use=use)]
    if head.trained:
        parts.append(kind_sentence(is_calibrated=calibrated))
    if not is_meaningful(map(code_of, outside)):
        parts.insert(0, NOT_VALID_HERE)
    else:
        parts += [sentence_of(warning) for warning in outside]
    return " ".join([*parts, NOT_A_DIAGNOSIS])


def _known(word: str, words: Sequence[str]) -> bool:
    wanted = word.strip().lower()
    known = {known.strip().lower() for known in words}
    return wanted in known or (wanted in HE_WORDS and bool(known & HE_WORDS))


def _list(words: Sequence[str]) -> str:
    return ", ".join(words) if words else "none in particular"
