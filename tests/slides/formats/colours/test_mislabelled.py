"""Headers that describe the colours of their tiles wrongly. The oracle is a plain TIFF of the same pixels."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from app.errors import SlideUnsupportedError
from app.slides.formats.opening import open_slide
from app.slides.tiles.display import Display
from app.slides.tiles.survey import survey_slide
from app.slides.tiles.tile_reader import TileReader
from app.slides.types import ReadingPlan
from app.viewer.deepzoom import DeepZoom
from app.warning import code_of
from tests.slides.make_dicom import Study, write_slide
from tests.slides.make_scn import write_scn
from tests.slides.make_tiff import cut, page, write_tiff
from tests.slides.pixels import jpeg
from tests.tissue import paint_tissue

MPP = 1.0
PIXELS = paint_tissue(1800, 1500)
SMALLER = PIXELS[:1500, :1800].reshape(750, 2, 900, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
PLAN = ReadingPlan(tile_px=224, tile_mpp=2.0)
APERIO = {270: b"Aperio Image Library v12\0"}
RGB, YCBCR = 2, 6


def ycbcr_jpeg(tile, subsampling: int = 0) -> bytes:
    return jpeg(tile, quality=95, subsampling=subsampling)


def rgb_jpeg(tile) -> bytes:
    return jpeg(tile, quality=95, keep_rgb=True)


def silent(data: bytes) -> bytes:
    """The JPEG without JFIF or Adobe marker, its components numbered: it does not say what it is."""
    while data[3] in {0xE0, 0xEE}:
        data = data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]
    changed, frame, scan = bytearray(data), data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    for number in range(3):
        changed[frame + 10 + 3 * number] = changed[scan + 5 + 2 * number] = number
    return bytes(changed)


def jpeg2000(tile, mct: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG2000", no_jp2=True, mct=mct, irreversible=False)
    return buffer.getvalue()


def as_ycbcr(tile):
    return np.asarray(Image.fromarray(tile).convert("YCbCr"))


def tiff(path, photometric: int, encode, compression: int = 7, tags=None):
    """A pyramid of two levels, both described alike."""
    both = {259: compression, 262: photometric, **(tags or {})}
    return write_tiff(path / "a.tif", [page(PIXELS, both, encode), page(SMALLER, {**both, 254: 1}, encode)])


def dicom(path, photometric: str, encode, syntax: str = "1.2.840.10008.1.2.4.50"):
    def change(ds) -> None:
        downsample = 1800 // ds.TotalPixelMatrixColumns
        level = PIXELS if downsample == 1 else SMALLER
        ds.file_meta.TransferSyntaxUID, ds.PhotometricInterpretation = syntax, photometric
        ds.PixelData = encapsulate([encode(np.ascontiguousarray(tile)) for tile in cut(level, 256)])
        ds["PixelData"].is_undefined_length = True

    write_slide(path, PIXELS, MPP, Study(), levels=(1, 2), change=change)
    return path


def seen(path):
    """What analysis and viewer get to see: thumbnail, tissue, tiles read in both ways, two of the viewer's tiles."""
    with open_slide(path, mpp=MPP) as opened:
        survey = survey_slide(opened, PLAN)
        with TileReader(opened, PLAN, survey.coords) as reader:
            tiles = np.stack([reader.tile(row) for row in range(len(survey.coords))])
            is_direct = not reader.why_openslide
        pyramid, display = DeepZoom(opened.info.width, opened.info.height), Display(opened)
        shown = [display.region(*pyramid.tile(level, 0, 0)) for level in (pyramid.top, pyramid.top - 2)]
        return survey, tiles, shown, is_direct


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same pixels uncompressed, and described as they are."""
    path = tiff(tmp_path_factory.mktemp("plain"), RGB, lambda tile: tile.tobytes(), compression=1)
    found = seen(path)
    assert found[0].warnings == () and len(found[0].coords) > 8
    return found


def assert_like(found, plain, tolerance: float, warned: bool = True) -> None:
    survey, tiles, shown, _ = found
    expected, expected_tiles, expected_shown, _ = plain
    assert np.array_equal(survey.coords, expected.coords)
    assert np.mean(survey.tissue_mask != expected.tissue_mask) < 0.01
    pairs = [(survey.thumbnail, expected.thumbnail), (tiles, expected_tiles)]
    for ours, theirs in [*pairs, *zip(shown, expected_shown, strict=True)]:
        assert np.abs(ours.astype(int) - theirs).mean() < tolerance
    codes = [code_of(warning) for warning in survey.warnings]
    assert codes == (["colours_corrected"] if warned else [])


@pytest.mark.parametrize("subsampling, strip", [(0, False), (1, False), (2, False), (1, True), (2, True)])
def test_tiff_jpeg_of_ycbcr_that_is_called_rgb(tmp_path, plain, subsampling, strip):
    def encode(tile) -> bytes:
        return silent(ycbcr_jpeg(tile, subsampling)) if strip else ycbcr_jpeg(tile, subsampling)

    found = seen(tiff(tmp_path, RGB, encode))
    assert_like(found, plain, 6)
    assert "describes the JPEG tiles as RGB, but they contain YCbCr" in found[0].warnings[0] and found[3]


def test_tiff_jpeg_of_rgb_that_is_called_ycbcr(tmp_path, plain):
    found = seen(tiff(tmp_path, YCBCR, rgb_jpeg))
    assert_like(found, plain, 4)
    assert "describes the JPEG tiles as YCbCr, but they contain RGB" in found[0].warnings[0]


@pytest.mark.parametrize("photometric, encode", [(RGB, rgb_jpeg), (YCBCR, ycbcr_jpeg)])
def test_tiff_that_tells_the_truth_or_whose_tiles_do_not_say_is_left_alone(tmp_path, plain, photometric, encode):
    for how in (encode, lambda tile: silent(encode(tile))):
        assert_like(seen(tiff(tmp_path, photometric, how)), plain, 5, warned=False)


def test_what_only_the_pixels_tell_is_refused_by_analysis_and_viewer_alike(tmp_path):
    """Without subsampling and markers, neither header nor tiles tell that the channels are YCbCr."""
    with open_slide(tiff(tmp_path, RGB, lambda tile: silent(ycbcr_jpeg(tile)))) as opened:
        with pytest.raises(SlideUnsupportedError) as analysed:
            survey_slide(opened, PLAN)
        with pytest.raises(SlideUnsupportedError) as viewed:
            Display(opened)
    assert analysed.value.message == viewed.value.message
    assert "describes them as RGB, but its pixels look like YCbCr" in viewed.value.message


def test_a_missing_tile_of_a_corrected_level_is_white(tmp_path):
    first = page(PIXELS, {259: 7, 262: YCBCR}, rgb_jpeg)
    path = write_tiff(tmp_path / "a.tif", [type(first)(first.tags, [b"", *first.tiles[1:]])])
    with open_slide(path) as opened:
        region = np.asarray(opened.slide.read_region((0, 0), 0, (512, 256)))[..., :3]
    assert (region[:, :256] == 255).all()
    assert np.abs(region[:, 256:].astype(int) - PIXELS[:256, 256:512]).mean() < 4


def test_tiles_that_contradict_each_other_are_refused(tmp_path):
    one, other = (page(PIXELS, {259: 7, 262: RGB}, encode) for encode in (rgb_jpeg, ycbcr_jpeg))
    path = write_tiff(tmp_path / "a.tif", [type(one)(one.tags, [*one.tiles[:-1], other.tiles[-1]])])
    with pytest.raises(SlideUnsupportedError, match="Some of the slide's tiles"):
        open_slide(path)


JP2K_CASES = {
    "33005, YCbCr without a transform": (33005, lambda tile: jpeg2000(as_ycbcr(tile), 0), True),
    "33003, RGB with a transform": (33003, lambda tile: jpeg2000(tile, 1), True),
    "33005 as it should be": (33005, lambda tile: jpeg2000(tile, 1), False),
    "33005, RGB without a transform": (33005, lambda tile: jpeg2000(tile, 0), False),
    "33003 as it should be": (33003, lambda tile: jpeg2000(as_ycbcr(tile), 0), False),
}


@pytest.mark.parametrize("case", JP2K_CASES)
def test_aperios_jpeg_2000(tmp_path, plain, case):
    compression, encode, warned = JP2K_CASES[case]
    assert_like(seen(tiff(tmp_path, RGB, encode, compression, APERIO)), plain, 3, warned)


DICOM_CASES = {
    "JPEG of YCbCr called RGB": ("RGB", "50", ycbcr_jpeg, True),
    "JPEG of RGB called RGB": ("RGB", "50", rgb_jpeg, False),
    "JPEG of RGB called YBR_FULL_422": ("YBR_FULL_422", "50", rgb_jpeg, True),
    "JPEG of YCbCr called so": ("YBR_FULL_422", "50", ycbcr_jpeg, False),
    "JPEG 2000 of YCbCr called YBR_ICT, without a transform": (
        "YBR_ICT",
        "91",
        JP2K_CASES["33003 as it should be"][1],
        True,
    ),
    "JPEG 2000 of YCbCr called RGB, without a transform": ("RGB", "91", JP2K_CASES["33003 as it should be"][1], True),
    "JPEG 2000 of RGB called RGB, without a transform": ("RGB", "90", lambda tile: jpeg2000(tile, 0), False),
    "JPEG 2000 of RGB called YBR_RCT, with its transform": ("YBR_RCT", "90", lambda tile: jpeg2000(tile, 1), False),
    "JPEG 2000 of RGB called RGB, with a transform": ("RGB", "91", lambda tile: jpeg2000(tile, 1), False),
}


@pytest.mark.parametrize("case", DICOM_CASES)
def test_dicom(tmp_path, plain, case):
    photometric, syntax, encode, warned = DICOM_CASES[case]
    found = seen(dicom(tmp_path / "slide", photometric, encode, f"1.2.840.10008.1.2.4.{syntax}"))
    assert_like(found, plain, 6, warned)
    if warned:
        assert "the DICOM header describes the JPEG" in found[0].warnings[0]


def test_one_level_of_several_may_be_mislabelled(tmp_path, plain):
    for wrong in (0, 1):
        photometrics = [RGB if number == wrong else YCBCR for number in range(2)]
        pages = [
            page(level, {259: 7, 262: photometric, 254: number}, ycbcr_jpeg)
            for number, (level, photometric) in enumerate(zip((PIXELS, SMALLER), photometrics, strict=True))
        ]
        assert_like(seen(write_tiff(tmp_path / "a.tif", pages)), plain, 5)


def test_rgb_frames_that_are_called_ycbcr_in_an_order_that_is_not_known_are_refused(tmp_path):
    dicom(tmp_path, "YBR_FULL_422", rgb_jpeg)
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        del ds.DimensionOrganizationType
        ds.save_as(path)
    with pytest.raises(SlideUnsupportedError, match="Convert the slide with a header that matches"):
        open_slide(tmp_path)


def test_jp2_files_in_place_of_codestreams_are_named(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[:256, :256]).save(buffer, "JPEG2000")
    dicom(tmp_path, "RGB", lambda _: buffer.getvalue(), "1.2.840.10008.1.2.4.90")
    with pytest.raises(SlideUnsupportedError, match="JP2 files"):
        open_slide(tmp_path)


def photometrics(path, *values: int):
    """The TIFF with tag 262 of its directories changed, in their order."""
    data = bytearray(path.read_bytes())
    directory = int.from_bytes(data[4:8], "little")
    for value in values:
        entries = int.from_bytes(data[directory : directory + 2], "little")
        for at in range(directory + 2, directory + 2 + 12 * entries, 12):
            if int.from_bytes(data[at : at + 2], "little") == 262:
                data[at + 8] = value
        end = directory + 2 + 12 * entries
        directory = int.from_bytes(data[end : end + 4], "little")
    path.write_bytes(data)
    return path


def test_a_format_whose_directories_are_not_known_to_be_levels(tmp_path):
    def scn(*values: int):
        return open_slide(photometrics(write_scn(tmp_path / "a.scn", PIXELS, MPP, (2400, 2000), (300, 200)), *values))

    with scn(YCBCR, YCBCR) as opened:
        assert opened.colours == {} and opened.info.vendor == "leica"
        expected = np.asarray(opened.slide.read_region((300, 200), 0, (1800, 1500)))[..., :3].astype(int)
    with scn(RGB, RGB) as opened:
        assert set(opened.colours.values()) == {"ycbcr"} and len(opened.warnings) == 1
        assert np.abs(np.asarray(opened.slide.read_region((300, 200), 0, (1800, 1500)))[..., :3] - expected).mean() < 2
    with pytest.raises(SlideUnsupportedError, match="Some of the slide's tiles"):
        scn(YCBCR, RGB)
