"""What several tests of the readers read."""

from pathlib import Path

import pytest

from tests.slides.make_slide import he_like, write_svs


@pytest.fixture(scope="module")
def slide(tmp_path_factory) -> Path:
    """A slide of 6 by 5 tiles, all of them tissue."""
    pixels = he_like(4_300, 5_200, 0.5, [(0, 0, 1, 1)])
    pixels[::97] = 245  # a little glass, for the background
    return write_svs(tmp_path_factory.mktemp("reader") / "s.svs", pixels, 0.5, levels=(1, 4))
