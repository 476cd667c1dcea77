import numpy as np
import pytest

from app.errors import TaskNotFoundError
from app.results.heads import shown_map
from tests.results.make_result import Recipe, make_result


def test_shared_attention_has_no_label() -> None:
    shown = shown_map(make_result())
    assert shown.label is None
    np.testing.assert_allclose(shown.attention, np.arange(1, 13) / 78, rtol=1e-6)


def test_per_class_shows_the_positive_class_first_and_any_other_on_request() -> None:
    result = make_result(Recipe(attention_kind="per_class"))
    assert shown_map(result).label == "tumour"
    assert shown_map(result).attention.argmax() == 11
    assert shown_map(result, label="normal").attention.argmax() == 0


def test_without_positive_class_the_top_label_is_shown() -> None:
    labels = ("a", "b", "c")
    assert shown_map(make_result(Recipe(attention_kind="per_class", labels=labels, positive_class=None))).label == "c"


def test_no_attention_shows_none() -> None:
    assert shown_map(make_result(Recipe(attention_kind="none"))).attention is None


def test_unknown_task_and_class_are_typed_errors() -> None:
    with pytest.raises(TaskNotFoundError, match="no task colour"):
        shown_map(make_result(), "colour")
    with pytest.raises(TaskNotFoundError, match="no class stroma"):
        shown_map(make_result(Recipe(attention_kind="per_class")), label="stroma")
