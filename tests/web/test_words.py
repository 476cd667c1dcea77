"""Every failure has words on the pages: what happened, and what to do next."""

import re

from tests.service import ROOT


def test_every_code_of_the_reference_has_words() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \| \d+ \|", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE))
    words = (ROOT / "app" / "web" / "js" / "words.js").read_text()
    known = set(re.findall(r'^  (\w+): \["[^"]+", (?:"[^"]+"|[A-Z]+)\],$', words, re.MULTILINE))
    assert len(documented) > 40
    assert documented - known == set()
