"""Every failure has words on the pages: what happened, and what to do next."""

import re

from app.warning import WARNING_CODES
from tests.service import ROOT


def test_every_code_of_the_reference_has_words() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \| \d+ \|", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE))
    words = (ROOT / "app" / "web" / "js" / "words.js").read_text()
    known = set(re.findall(r'^  (\w+): \["[^"]+", (?:"[^"]+"|[A-Z]+)\],$', words, re.MULTILINE))
    assert len(documented) > 40
    assert documented - known == set()


def test_warnings_of_finished_slides_have_a_word_but_those_that_most_slides_have() -> None:
    words = (ROOT / "app" / "web" / "js" / "words.js").read_text()
    listed = re.search(r"export const WARNINGS = \{(.*?)\};", words, re.DOTALL)
    assert listed is not None
    known = set(re.findall(r'^  (\w+): "[^"]+",$', listed[1], re.MULTILINE))
    assert known == set(WARNING_CODES) - {"colours_corrected"}
