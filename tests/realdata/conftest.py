"""Real slides: found beside the repository or where XMAG_TEST_DATA says; tests skip where they are missing."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def slides_dir() -> Path:
    """The folder of real slides."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("XMAG_TEST_DATA", default)) / "slides"
    if not folder.is_dir():
        if os.environ.get("REQUIRE") == "1":
            pytest.fail(f"REQUIRE=1, but there are no real slides in {folder}")
        pytest.skip("real slides are not on this machine: set XMAG_TEST_DATA to the folder that holds slides/")
    return folder
