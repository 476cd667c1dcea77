"""What is a level: labels and macros among the levels change nothing and are never seen, however they are flagged."""

import struct

import numpy as np
import openslide
import pytest
from structlog.testing import capture_logs

from app.errors import SlideError, SlideUnsupportedError
from app.slides.formats.opening import open_slide
from app.slides.sandbox.reader import SlideReader
from tests.slides.make_dicom import RESAMPLED, Study, item, write_image, write_slide
from tests.slides.make_pyramid import (
    APERIO,
    filled_up,
    has_ink,
    jpeg_page,
    label,
    look,
    raw_page,
    strip_page,
    tissue,
)
from tests.slides.make_tiff import Page, page, write_tiff
from tests.slides.pixels import shrunk

WIDTH, HEIGHT = 1600, 1200
PAGES = {"jpeg": jpeg_page, "raw": raw_page}


@pytest.fixture(scope="module")
def pixels():
    return tissue(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def honest(pixels, tmp_path_factory):
    """What is seen of the same slide without a label, by (kind of tiles, whether it is an SVS)."""
    folder, seen = tmp_path_factory.mktemp("honest"), {}

    def of(kind, svs):
        if (kind, svs) not in seen:
            path = folder / f"{kind}{svs}.tif"
            seen[kind, svs] = look(write_tiff(path, levels(pixels, kind, svs)))
        return seen[kind, svs]

    return of


def levels(pixels, kind, svs):
    """Directories of level 0, 1/2 and 1/4."""
    flags = (0, 0, 0) if svs else (0, 1, 1)
    description = APERIO if svs else None
    return [PAGES[kind](shrunk(pixels, 2**n), flag, description) for n, flag in enumerate(flags)]


@pytest.mark.parametrize(
    ("kind", "svs", "flag"),
    [
        *(("jpeg", svs, flag) for svs in (False, True) for flag in (0, 1, 8, 9)),
        ("raw", False, 1),
        ("raw", True, 0),
    ],
)
@pytest.mark.parametrize(
    ("size", "place"),
    [
        ((390, 131), 3),  # a macro
        ((300, 225), 3),  # the slide's shape, after the last level
        ((200, 150), 3),  # ... at 1/8, as a level would be
        ((201, 150), 3),  # ... but for a pixel
        ((600, 450), 2),  # ... between two levels
        ((400, 300), 2),  # ... of a level's own size, before it
        ((400, 300), 3),  # ... and after it
        ((256, 256), 3),  # one tile, as a level filled up to whole tiles may be
        ((256, 512), 3),
    ],
)
def test_a_tiled_label_changes_nothing_and_is_never_seen(tmp_path, pixels, honest, kind, svs, flag, size, place):
    pages = levels(pixels, kind, svs)
    pages.insert(place, PAGES[kind](label(*size), flag, APERIO if svs else None))
    path = write_tiff(tmp_path / "a.tif", pages)
    with openslide.OpenSlide(path) as opened:
        assert opened.level_count == 3 + (svs or flag in {1, 9})  # OpenSlide takes it for a level
        assert has_ink(label(*size))
    seen = look(path)
    seen.assert_same(honest(kind, svs))
    assert not any(map(has_ink, seen.pictures()))


@pytest.mark.parametrize("description", [b"Aperio Image Library v12\r\nlabel 400x300\0", b"Macro\0", b"thumbnail\0"])
def test_what_a_description_calls_a_label_is_none_even_with_the_slides_pixels(tmp_path, pixels, description):
    pages = [jpeg_page(pixels, 0, APERIO), jpeg_page(shrunk(pixels, 4), 0, description)]
    with open_slide(write_tiff(tmp_path / "a.svs", pages)) as opened:
        assert opened.slide.level_count == 2
        assert [level.number for level in opened.info.levels] == [0]


@pytest.mark.parametrize("svs", [False, True], ids=["tiff", "svs"])
def test_a_label_in_strips_changes_nothing(tmp_path, pixels, honest, svs):
    pages = [*levels(pixels, "jpeg", svs), strip_page(label(200, 150), 1, b"label\0")]
    look(write_tiff(tmp_path / "a.tif", pages)).assert_same(honest("jpeg", svs))


@pytest.mark.parametrize("flag", [0, 1, 8, 9])
@pytest.mark.parametrize("svs", [False, True], ids=["tiff", "svs"])
def test_a_file_that_begins_with_its_label_is_refused(tmp_path, pixels, flag, svs):
    pages = [jpeg_page(label(300, 225), flag, APERIO if svs else None), *levels(pixels, "jpeg", svs)]
    with pytest.raises(SlideUnsupportedError):
        look(write_tiff(tmp_path / "a.tif", pages))


@pytest.mark.parametrize("svs", [False, True], ids=["tiff", "svs"])
def test_a_label_that_keeps_openslide_from_opening_the_file_is_named_as_the_reason(tmp_path, pixels, svs):
    """OpenSlide wants each level coarser than the one before, by the mean of both sides."""
    pages = levels(pixels, "jpeg", svs)
    pages.insert(1, jpeg_page(label(640, 215), 1, APERIO if svs else None))
    with pytest.raises(SlideUnsupportedError, match="640 × 215"):
        look(write_tiff(tmp_path / "a.tif", pages))


@pytest.mark.parametrize("flags", [(1, 1, 0), (1, 1, 1), (0, 1, 1)])
def test_a_pyramid_that_begins_with_its_smallest_level_is_refused(tmp_path, pixels, flags):
    pages = [jpeg_page(shrunk(pixels, n), flag) for n, flag in zip((4, 2, 1), flags, strict=True)]
    with pytest.raises(SlideUnsupportedError, match="1600 × 1200"):
        look(write_tiff(tmp_path / "a.tif", pages))


@pytest.mark.parametrize("svs", [False, True])
def test_a_file_that_begins_with_its_thumbnail_is_told_so(tmp_path, pixels, svs):
    thumbnail = strip_page(shrunk(pixels, 8), 0, APERIO if svs else None)
    path = write_tiff(tmp_path / "a.tif", [thumbnail, *levels(pixels, "jpeg", svs)])
    with pytest.raises(SlideUnsupportedError, match=r"begins with an image of 200 × 150 px.*thumbnail.*Convert"):
        open_slide(path)


def test_an_image_below_the_first_that_is_larger_refuses_the_file(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.tif", [page(shrunk(pixels, 2), {330: 0}), jpeg_page(pixels, 1)])
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    link = first + 2 + 12 * struct.unpack_from("<H", data, first)[0]
    entry = data.index(struct.pack("<HHI", 330, 4, 1), first)
    data[entry + 8 : entry + 12], data[link : link + 4] = data[link : link + 4], bytes(4)  # now in SubIFDs
    path.write_bytes(data)
    with pytest.raises(SlideUnsupportedError, match="1600 × 1200"):
        look(path)


def test_levels_may_come_in_any_order_after_the_first(tmp_path, pixels, honest):
    first, half, quarter = levels(pixels, "jpeg", svs=False)
    look(write_tiff(tmp_path / "a.tif", [first, quarter, half])).assert_same(honest("jpeg", svs=False))


def test_a_doubled_level_counts_once(tmp_path, pixels, honest):
    first, half, quarter = levels(pixels, "jpeg", svs=False)
    look(write_tiff(tmp_path / "a.tif", [first, half, half, quarter])).assert_same(honest("jpeg", svs=False))


@pytest.mark.parametrize("factors", [(4, 2), (2, 4)])
def test_a_level_shrunk_more_along_one_side_is_none(tmp_path, pixels, factors):
    across, down = factors
    odd = np.ascontiguousarray(pixels[::down, ::across])
    with open_slide(write_tiff(tmp_path / "a.tif", [jpeg_page(pixels), jpeg_page(odd, 1)]), 0.5) as opened:
        assert [level.number for level in opened.info.levels] == [0]


@pytest.mark.parametrize("colour", [255, 0], ids=["white", "black"])
@pytest.mark.parametrize("kind", ["jpeg", "raw"])
def test_levels_filled_up_to_whole_tiles_have_their_true_scale(tmp_path, pixels, kind, colour):
    """The filling is black, too: it must be neither shown nor taken for tissue."""
    right = look(write_tiff(tmp_path / "right.tif", levels(pixels, kind, svs=False)))
    pages = [PAGES[kind](pixels), *(PAGES[kind](filled_up(shrunk(pixels, n), 256, colour), 1) for n in (2, 4))]
    seen = look(write_tiff(tmp_path / "filled.tif", pages))
    assert seen.levels == right.levels
    for mine, theirs in zip(seen.survey[1:], right.survey[1:], strict=True):
        assert np.array_equal(mine, theirs)  # mask, artefacts, coords, fractions
    for mine, theirs in zip(seen.pictures(), right.pictures(), strict=True):
        assert np.abs(mine.astype(int) - theirs).mean() < 4  # OpenSlide blurs levels filled up
        assert np.abs(mine.astype(int) - theirs).max() < 60  # white or black where tissue is would be more


def test_several_scales_of_one_size_are_told_by_pixels(tmp_path):
    """A last level of one tile may be anything from 1/5 on by its size."""
    pixels = tissue(1280, 1024)
    for factor in (5, 8, 16):
        pages = [raw_page(pixels), raw_page(filled_up(shrunk(pixels, factor), 256, 255), 1)]
        with open_slide(write_tiff(tmp_path / f"{factor}.tif", pages), 0.5) as opened:
            assert [level.downsample for level in opened.info.levels] == [1, factor]


def test_a_very_small_slide_keeps_its_level_and_loses_a_label_of_its_shape(tmp_path):
    pixels = tissue(101, 79)
    pages = [jpeg_page(pixels, tile_px=64), jpeg_page(shrunk(pixels, 2), 1, tile_px=64)]
    with open_slide(write_tiff(tmp_path / "a.tif", pages), 0.5) as opened:
        assert [(level.width, level.downsample) for level in opened.info.levels] == [(101, 1), (50, 2)]
    pages.append(jpeg_page(label(25, 20), 1, tile_px=64))
    with open_slide(write_tiff(tmp_path / "b.tif", pages), 0.5) as opened:
        assert [level.number for level in opened.info.levels] == [0, 1]


def test_glass_alone_keeps_its_levels(tmp_path):
    glass = np.full((900, 1100, 3), 244, np.uint8)
    for kind, made in PAGES.items():
        pages = [made(glass), made(shrunk(glass, 2), 1), made(shrunk(glass, 4), 1)]
        with open_slide(write_tiff(tmp_path / f"{kind}.tif", pages), 0.5) as opened:
            assert [level.downsample for level in opened.info.levels] == [1, 2, 4]


def test_what_was_left_out_is_logged_once(tmp_path, pixels):
    path = write_tiff(tmp_path / "Doe.tif", [*levels(pixels, "jpeg", svs=False), jpeg_page(label(200, 150), 1)])
    with capture_logs() as logs, SlideReader() as reader:
        reader.open(path)
    assert logs == [{"event": "slide.images_ignored", "images": 1, "log_level": "info"}]


@pytest.mark.parametrize(("missing", "place"), [((1, 2), 2), ((5, 6), 1), (range(1000), 2)])
def test_a_level_that_lacks_tiles_of_a_finer_one_is_none(tmp_path, pixels, missing, place):
    pages = levels(pixels, "jpeg", False)
    right = look(write_tiff(tmp_path / "a.tif", pages[:place] + pages[place + 1 :]))
    seen = look(write_tiff(tmp_path / "b.tif", [*pages[:place], without(pages[place], missing), *pages[place + 1 :]]))
    seen.assert_same(right)


def test_tiles_that_no_level_has_are_glass(tmp_path, pixels):
    """The top left 512 px of level 0 are one tile of level 1/2 and lie in the first of 1/4."""
    glass = pixels.copy()
    glass[:512, :512] = 255
    first, half, _ = levels(pixels, "jpeg", False)
    across = -(-WIDTH // 256)
    pages = [without(first, (0, 1, across, across + 1)), without(half, (0,)), levels(glass, "jpeg", False)[2]]
    seen = look(write_tiff(tmp_path / "a.tif", pages))
    assert [downsample for _, _, downsample in seen.levels] == [1, 2, 4]


def test_missing_tiles_of_an_svs_are_drawn_from_the_finer_level(tmp_path, pixels, honest):
    pages = levels(pixels, "jpeg", True)
    right = honest("jpeg", True)
    seen = look(write_tiff(tmp_path / "a.svs", [*pages[:2], without(pages[2], (1,))]))
    assert seen.levels == right.levels
    for mine, theirs in zip(seen.pictures(), right.pictures(), strict=True):
        assert np.abs(mine.astype(int) - theirs).mean() < 4


def without(one: Page, missing) -> Page:
    """The same directory; the tiles ``missing`` have 0 bytes."""
    return Page(one.tags, [b"" if at in missing else tile for at, tile in enumerate(one.tiles)])


def test_a_dicom_level_that_shows_another_part_of_the_slide_is_none(tmp_path, pixels):
    study = Study()
    right = write_slide(tmp_path / "right", pixels, 0.5, study, levels=(1, 2))
    wrong = write_slide(tmp_path / "wrong", pixels, 0.5, study, levels=(1, 2))
    moved = shrunk(np.roll(pixels, 400, axis=1), 4)
    write_image(tmp_path / "wrong" / "level4.dcm", moved, 2.0, study, RESAMPLED)
    look(wrong[0].parent, None).assert_same(look(right[0].parent, None))


def test_dicom_levels_filled_up_to_whole_tiles_have_the_scale_of_their_spacing(tmp_path, pixels):
    right = write_slide(tmp_path / "right", pixels, 0.5, Study(), levels=(1, 2, 4))
    study, folder = Study(), tmp_path / "filled"
    folder.mkdir()
    write_image(folder / "level1.dcm", pixels, 0.5, study)
    for n in (2, 4):
        write_image(folder / f"level{n}.dcm", filled_up(shrunk(pixels, n), 256, 0), 0.5 * n, study, RESAMPLED)
    with openslide.OpenSlide(folder / "level1.dcm") as opened:
        assert opened.level_downsamples[1] < 1.7
    seen, wanted = look(folder, None), look(right[0].parent, None)
    assert seen.levels == wanted.levels
    for mine, theirs in zip(seen.survey[1:], wanted.survey[1:], strict=True):
        assert np.array_equal(mine, theirs)
    for mine, theirs in zip(seen.pictures(), wanted.pictures(), strict=True):
        assert np.abs(mine.astype(int) - theirs).mean() < 4


def test_dicom_spacing_that_contradicts_the_sizes_leaves_it_to_the_pixels(tmp_path, pixels):
    """Some converters write level 0's spacing into every level."""

    def same(ds):
        measures = item(PixelSpacing=[0.0005, 0.0005], SliceThickness=0.001)
        ds.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[measures])]

    right = write_slide(tmp_path / "right", pixels, 0.5, Study(), levels=(1, 2, 4))
    wrong = write_slide(tmp_path / "wrong", pixels, 0.5, Study(), levels=(1, 2, 4), change=same)
    look(wrong[0].parent, None).assert_same(look(right[0].parent, None))


@pytest.mark.parametrize("size", [(390, 131), (200, 150), (300, 225), (256, 256)])
def test_a_dicom_label_that_calls_itself_a_volume_is_never_seen(tmp_path, pixels, size):
    """Its spacing is that of a photograph."""
    study = Study()
    files = write_slide(tmp_path / "a", pixels, 0.5, study, levels=(1, 2, 4))
    right = look(files[0].parent, None)
    write_image(tmp_path / "a" / "label.dcm", label(*size), 50.0, study, RESAMPLED)
    seen = look(files[0].parent, None)
    seen.assert_same(right)
    assert not any(map(has_ink, seen.pictures()))


def test_a_level_that_is_a_few_px_of_a_huge_slide_is_not_compared(tmp_path):
    """Eight of its px would be a million of level 0's on each side."""
    glass = np.full((256, 256, 3), 244, np.uint8)
    tile = jpeg_page(glass).tiles[0]
    side = 4096 * 16
    whole = Page({**jpeg_page(glass).tags, 256: side, 257: side}, [tile] * 65536)
    path = write_tiff(tmp_path / "a.tif", [whole, jpeg_page(glass[:16, :16], 1)])
    with open_slide(path, 0.5) as opened:
        assert opened.slide.level_downsamples == (1, 4096)
        assert [level.number for level in opened.info.levels] == [0]


def test_a_file_of_very_many_levels_is_opened(tmp_path):
    glass = np.full((300, 300, 3), 244, np.uint8)
    pages = [jpeg_page(glass), *(jpeg_page(glass[:side, :side], 1) for side in range(299, 120, -1))]
    with SlideReader() as reader:
        assert 1 <= len(reader.open(write_tiff(tmp_path / "a.tif", pages), 0.5).levels) <= 65


def test_a_first_image_without_a_height_is_no_slide(tmp_path, pixels):
    first = jpeg_page(pixels)
    path = write_tiff(tmp_path / "a.tif", [Page({**first.tags, 257: 0}, first.tiles), jpeg_page(pixels, 1)])
    with pytest.raises(SlideError), SlideReader() as reader:
        reader.open(path, 0.5)
