"""Takes a slide's path and name, which may be a patient's, out of what decoders and tracebacks say."""

import re
from collections.abc import Iterable
from pathlib import Path

_REST_OF_PATH = r"[^'\"\n:]*"
"""Up to where a message goes on after a path; names may hold blanks."""


def scrub_paths(text: str, slides: Iterable[Path], instead: str) -> str:
    """``text`` with ``instead`` in place of every path to, in or beside one of ``slides`` (absolute).

    Their names are replaced too if they have a suffix: in a sentence, a slide named ``slide`` must not replace the
    word.
    """
    for slide in slides:
        text = re.sub(re.escape(str(slide)) + rf"(?:/{_REST_OF_PATH})?", instead, text)
        if slide.parent != slide.parent.parent:
            text = re.sub(re.escape(f"{slide.parent}/") + _REST_OF_PATH, instead, text)
        if slide.suffix:
            text = _without_word(text, slide.name, instead)
    return text


def scrub(text: str, slides: Iterable[Path], instead: str) -> str:
    """As ``scrub_paths``, and without their names in any form: for logs."""
    slides = list(slides)
    text = scrub_paths(text, slides, instead)
    for name in {name for slide in slides for name in (slide.name, slide.stem) if name}:
        text = _without_word(text, name, instead)
    return text


def _without_word(text: str, word: str, instead: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", instead, text)
