"""The warnings of a result as a reader needs them: what makes its scores doubtful first, all else after it."""

from typing import Final

from app.results import wording
from app.results.schema import ResultDocument
from app.warning import OUT_OF_DOMAIN, code_of, sentence_of

WARNINGS_MAX: Final = 8
"""What one page can hold in letters that can be read; the result has all."""
_FOREMOST: Final = OUT_OF_DOMAIN | {"identity_differs", "out_of_focus", "part_left_out"}
"""Codes of what bears on every number of the page."""
SAID_OF_PREDICTIONS: Final = frozenset({"bag_size_out_of_range"})
"""Codes of the warnings that a prediction's own statement contains."""


def warning_codes(document: ResultDocument) -> tuple[str, ...]:
    """Each once, in the order of the alphabet."""
    return tuple(sorted(set(map(code_of, document.warnings))))


def all_validated(document: ResultDocument) -> bool | None:
    """Whether all heads are validated; None if there are none."""
    return all(prediction.validated for prediction in document.predictions) if document.predictions else None


def foremost(document: ResultDocument) -> str:
    """Why the model may not apply to this slide, including blur and parts left out. Empty if there is no reason."""
    outside = [prediction for prediction in document.predictions if not prediction.is_meaningful]
    sentences = [wording.domain_sentence(prediction, document) for prediction in outside[:1]]
    if 0 < len(outside) < len(document.predictions):
        sentences.insert(0, f"{', '.join(wording.plain(prediction.task) for prediction in outside)}:")
    sentences += [sentence_of(warning) for warning in _found(document) if code_of(warning) in _FOREMOST]
    return " ".join(sentence for sentence in sentences if sentence)


def other_warnings(document: ResultDocument) -> tuple[str, ...]:
    """Warnings not in ``foremost`` or a prediction's statement, each once, without its code, and no more than
    fit."""
    said = _FOREMOST | SAID_OF_PREDICTIONS
    found = [sentence_of(warning) for warning in _found(document) if code_of(warning) not in said]
    if len(found) <= WARNINGS_MAX:
        return tuple(found)
    return (*found[: WARNINGS_MAX - 1], f"And {len(found) - WARNINGS_MAX + 1} more, in the result.")


def _found(document: ResultDocument) -> list[str]:
    return list(dict.fromkeys(document.warnings))
