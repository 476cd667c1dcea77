"""The service's maker of synthetic slides (tests/slides/make_slide.py), for the tests of training."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

MAKE_SLIDE = Path(__file__).resolve().parents[2] / "tests" / "slides" / "make_slide.py"


def load_painter() -> ModuleType:
    """The module, by its path: the service's tests are no package that can be imported from here."""
    spec = importlib.util.spec_from_file_location("make_slide", MAKE_SLIDE)
    painter = importlib.util.module_from_spec(spec)
    sys.modules["make_slide"] = painter
    spec.loader.exec_module(painter)
    return painter
