import numpy as np
import pytest

from app.errors import SlideUnsupportedError
from app.slides.formats.opening import open_slide
from app.slides.formats.tiff.ome import DESCRIPTION
from app.slides.formats.tiff.parts import parts_left_out
from app.slides.tiles.survey import survey_slide
from app.slides.types import ReadingPlan
from app.warning import code_of, is_coded
from tests.slides.make_slide import he_like
from tests.slides.make_tiff import page, write_tiff

SLIDE = he_like(1200, 1500, 1.0, [(0.1, 0.1, 0.9, 0.9)])
SAME = 'PhysicalSizeX="1" PhysicalSizeY="1"'


def pixels(width: int, height: int, more: str = SAME, name: str = "") -> str:
    return f'<Image Name="{name}"><Pixels SizeX="{width}" SizeY="{height}" {more}/></Image>'


def warnings_of(path, *images: str, pages=None) -> list[str]:
    xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{"".join(images)}</OME>'
    pages = pages or [page(SLIDE, {270: xml.encode() + b"\0"})]
    with open_slide(write_tiff(path / "a.ome.tif", pages), mpp=1.0) as opened:
        found = [text for text in survey_slide(opened, ReadingPlan()).warnings if code_of(text) == "part_left_out"]
    assert all(is_coded(warning) for warning in found)
    return found


def test_a_second_scene_is_told(tmp_path):
    for second in (pixels(900, 700), pixels(1500, 1200), pixels(900, 1100, "")):
        (warning,) = warnings_of(tmp_path, pixels(1500, 1200), second)
        assert "2 scenes; only the first, of 1500 × 1200 px" in warning


def test_labels_macros_and_levels_are_no_scenes(tmp_path):
    larger = 'PhysicalSizeX="4" PhysicalSizeY="4"'
    others = [
        pixels(600, 500, SAME, "label image"),
        pixels(1280, 431, "", "Macro"),
        pixels(1280, 431, larger),
        pixels(375, 300, larger),
        pixels(375, 300, ""),
    ]
    for other in others:
        assert warnings_of(tmp_path, pixels(1500, 1200), other) == []


def test_planes_and_times_that_are_left_out_are_told(tmp_path):
    planes, times = warnings_of(tmp_path, pixels(1500, 1200, f'{SAME} SizeZ="5" SizeT="2"'))
    assert "5 focal planes; only the first was analysed" in planes and "2 time points" in times
    assert warnings_of(tmp_path, pixels(1500, 1200, f'{SAME} SizeZ="1" SizeT="1"')) == []


def test_scenes_of_which_none_is_certain_to_be_shown_are_refused(tmp_path):
    with pytest.raises(SlideUnsupportedError, match="2 images"):
        warnings_of(tmp_path, pixels(900, 700), pixels(800, 700))
    assert warnings_of(tmp_path, pixels(3000, 2400)) == []  # a resized copy of one
    assert warnings_of(tmp_path, pixels(3000, 2400), pixels(400, 400, SAME, "label")) == []


class _Open:
    """An open slide of a format for which there is no writer here: nothing but its properties is asked."""

    def __init__(self, **properties: str) -> None:
        self.properties = {name.replace("__", "."): value for name, value in properties.items()}


def test_planes_of_ndpi_are_told(tmp_path):
    small = SLIDE[:256, :256]
    plane = 65424
    path = write_tiff(tmp_path / "a.ndpi", [page(small, {plane: value}) for value in (0, 500, -500)])
    (warning,) = parts_left_out(_Open(openslide__vendor="hamamatsu"), path)
    assert "3 focal planes; only the one at the nominal focus" in warning
    path = write_tiff(tmp_path / "b.ndpi", [page(small, {plane: 0}), page(small, {plane: 0}), page(small)])
    assert parts_left_out(_Open(openslide__vendor="hamamatsu"), path) == ()


def test_planes_of_scn_are_told(tmp_path):
    for planes, count in (("0", 0), ("01", 1)):
        dimensions = "".join(f'<dimension sizeX="2" r="0" z="{z}" ifd="0"/>' for z in planes)
        path = write_tiff(tmp_path / "a.scn", [page(SLIDE, {270: f"<scn>{dimensions}</scn>".encode() + b"\0"})])
        assert len(parts_left_out(_Open(openslide__vendor="leica"), path)) == count


def test_planes_of_czi_are_refused(tmp_path):
    for axis in "ZT":
        slide = _Open(**{"openslide__vendor": "zeiss", f"zeiss__Information__Image__Size{axis}": "3"})
        with pytest.raises(SlideUnsupportedError, match=r"3 (focal planes|time points)"):
            parts_left_out(slide, tmp_path)
    single = _Open(openslide__vendor="zeiss", zeiss__Information__Image__SizeZ="1")
    assert parts_left_out(single, tmp_path) == ()
    assert DESCRIPTION not in single.properties


def test_only_the_first_plane_is_analysed(tmp_path):
    image = pixels(1500, 1200, f'{SAME} SizeZ="2"')
    pages = [page(SLIDE, {270: f"<OME>{image}</OME>".encode() + b"\0"}), page(np.roll(SLIDE, 300, 1))]
    assert len(warnings_of(tmp_path, pages=pages)) == 1
    with open_slide(tmp_path / "a.ome.tif", mpp=1.0) as opened:
        region = np.asarray(opened.slide.read_region((0, 0), 0, (1500, 1200)))[..., :3]
    assert np.array_equal(region, SLIDE)
