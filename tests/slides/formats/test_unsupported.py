from importlib.resources import files

import numpy as np
import pytest

from app.errors import SlideUnsupportedError
from app.slides.formats.finding import FoundSlide
from app.slides.formats.tiff.tiff_kind import unreadable_tiff
from app.slides.formats.unsupported import why_unreadable
from tests.slides.make_tiff import page, write_tiff

SAID = {
    "JPEG XR compression is not supported": "CZI compression JPEG XR is not supported.*Export",
    "Pixel type GRAY16 is not supported": "CZI pixel type GRAY16 is not supported.*Export",
    "Slides with dissimilar main images are not supported": "several scenes.*Export",
}


@pytest.mark.parametrize("said", SAID)
def test_what_openslide_says_of_other_formats_is_understood(tmp_path, said):
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE")
    found = FoundSlide(tmp_path / "a.czi", (tmp_path / "a.czi",))
    error = why_unreadable(found, said)
    assert isinstance(error, SlideUnsupportedError)
    with pytest.raises(SlideUnsupportedError, match=SAID[said]):
        raise error
    assert why_unreadable(found, "Couldn't read subblock: not supported") is None


def test_openslide_still_says_it_so():
    """Its words are no interface: another version may choose others."""
    (library,) = (part for part in files("openslide_bin").iterdir() if "libopenslide" in part.name)
    content = library.read_bytes()
    for words in (b"%s compression is", b"Pixel type %s is", b"Slides with dissimilar main images are"):
        assert words + b" not supported\0" in content


def test_jpeg_xr_in_ndpi_is_named(tmp_path):
    """Whose images are strips to TIFF."""
    strips = {322: None, 323: None, 278: 256}
    for compression, is_named in ((22610, True), (7, False)):
        path = write_tiff(tmp_path / "a.ndpi", [page(np.zeros((256, 256, 3), np.uint8), {**strips, 259: compression})])
        error = unreadable_tiff(path, "hamamatsu")
        assert (error is not None and "22610 (JPEG XR)" in error.message) == is_named
