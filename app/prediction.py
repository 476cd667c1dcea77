"""From a head's raw output to a statement that a reader can trust: what was scored, and what it is worth."""

from collections.abc import Sequence

import numpy as np

from app.inference.manifest import Domain, Head
from app.inference.mil_head import HeadOutput
from app.results.percentile import attention_percentiles
from app.results.schema import CalibrationPart, PredictionPart, TopTilePart
from app.results.wording import plain
from app.slides.types import Float32Array, Int64Array
from app.warning import code_of, coded, voids

TOP_TILES = 10
HE_WORDS = frozenset({"h&e", "he", "hematoxylin and eosin", "haematoxylin and eosin"})


def domain_warnings(domain: Domain, *, stain: str | None, organ: str | None, stain_he: bool | None) -> list[str]:
    """Warnings of what lies outside the model's domain."""
    warnings: list[str] = []
    if stain_he is False:
        sentence = (
            "the tissue's colours are not those of H&E, which is all this model knows; "
            "its predictions are out of domain."
        )
        warnings.append(coded("stain_not_he", sentence))
    if stain is not None and not _known(stain, domain.stain):
        sentence = f"the request says stain {stain!r}; the model knows {_list(domain.stain)}."
        warnings.append(coded("stain_out_of_domain", sentence))
    if organ is not None and domain.organs and not _known(organ, domain.organs):
        sentence = f"the request says organ {organ!r}; the model knows {_list(domain.organs)}."
        warnings.append(coded("organ_out_of_domain", sentence))
    return warnings


def bag_warning(head: Head, tiles: int) -> str | None:
    """A warning when the slide has fewer or more tiles than the head was trained on."""
    if head.bag_size_min <= tiles <= head.bag_size_max:
        return None
    sentence = (
        f"the model learnt {plain(head.task)} from slides of {head.bag_size_min} to {head.bag_size_max} tiles; this "
        f"one has {tiles}: its score is less certain."
    )
    return coded("bag_size_out_of_range", sentence)


def predict(head: Head, output: HeadOutput, *, outside: Sequence[str]) -> PredictionPart:
    """The prediction of one head. ``outside``: the warnings of stain, organ and bag size."""
    reasons = tuple(code for warning in outside if (code := code_of(warning)) is not None)
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
        in_domain=not outside,
        outside=reasons,
        intended_use=head.intended_use,
        statement=_statement(head, calibrated=calibrated, outside=reasons),
    )


def top_tiles(head: Head, output: HeadOutput, coords: Int64Array, tissue_fractions: Float32Array) -> list[TopTilePart]:
    """The tiles with the highest attention, highest first.

    Where attention is per class, that of the class whose map is shown: the positive one, else the likeliest.

    ``coords``: int64 [N, 2]; ``tissue_fractions``: float32 [N]. A head without attention has no top tiles.
    """
    if output.attention is None:
        return []
    row = 0
    if head.attention_kind == "per_class":
        likeliest = int(np.argmax(output.probabilities))
        row = likeliest if head.positive_class is None else head.labels.index(head.positive_class)
    attention = output.attention[row]
    percentiles = attention_percentiles(attention)
    order = np.argsort(-attention, kind="stable")[:TOP_TILES]
    return [
        TopTilePart(
            task=head.task,
            rank=rank,
            index=int(index),
            x0=int(coords[index, 0]),
            y0=int(coords[index, 1]),
            attention=float(attention[index]),
            percentile=float(percentiles[index]),
            label=head.labels[row] if head.attention_kind == "per_class" else None,
            tissue_fraction=float(tissue_fractions[index]),
        )
        for rank, index in enumerate(order, 1)
    ]


def _statement(head: Head, *, calibrated: bool, outside: Sequence[str]) -> str:
    parts = []
    if not head.trained:
        parts.append("UNTRAINED: this head has random weights and its output means nothing.")
    elif not head.validated:
        parts.append("Not validated: no clinical performance has been shown for this head.")
    if head.trained:
        parts.append("A calibrated probability." if calibrated else "A score, uncalibrated: not a probability.")
    if outside and voids(outside):
        parts.append("OUT OF DOMAIN: this slide is not of the kind the model was made for.")
    elif outside:
        parts.append("This slide has more or less tissue than those that the head was trained on.")
    parts.append("Not a diagnosis.")
    return " ".join(parts)


def _known(word: str, words: Sequence[str]) -> bool:
    wanted = word.strip().lower()
    known = {known.strip().lower() for known in words}
    return wanted in known or (wanted in HE_WORDS and bool(known & HE_WORDS))


def _list(words: Sequence[str]) -> str:
    return ", ".join(words) if words else "none in particular"
