"""A warning has a code for programs and a sentence for people."""

import pytest

from app.warning import WARNING_CODES, coded, is_coded, sentence_of


@pytest.mark.parametrize("code", WARNING_CODES)
def test_code_and_sentence_are_told_apart(code):
    warning = coded(code, "the slide: it is odd.")
    assert warning == f"{code}: the slide: it is odd."
    assert is_coded(warning)
    assert sentence_of(warning) == "The slide: it is odd."


def test_only_known_codes_count():
    assert not is_coded("made_up: it is odd.")
    assert not is_coded("No tile holds tissue: the fullest were taken.")
