"""Tiles read directly, against OpenSlide and against rulers."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from app.errors import SlideCorruptError
from app.slides.formats.compressed import direct_level, self_check
from app.slides.formats.compressed.tile_codec import decode_tile
from app.slides.formats.opening import open_slide
from app.slides.tiles.grid import grid_for
from app.slides.tiles.render import render_tile
from app.slides.tiles.tile_reader import TileReader
from app.slides.types import ReadingPlan
from tests.slides.make_slide import Jpeg, he_like, write_generic_tiff, write_ome_tiff, write_svs

from .test_render import edge_errors_px, ruler_slide

PLAN = ReadingPlan()
HALVING = ReadingPlan(level_tolerance=0.06, decoder_scaling="dct")
CODINGS = {
    "4:4:4": {"jpeg": Jpeg()},
    "4:2:2": {"jpeg": Jpeg(subsampling=1)},
    "4:2:0": {"jpeg": Jpeg(subsampling=2)},
    "tables in the directory": {"jpeg": Jpeg(subsampling=2, tables=True)},
    "RGB": {"jpeg": Jpeg(rgb=True)},
    "RGB, tables in the directory": {"jpeg": Jpeg(rgb=True, tables=True)},
    "JPEG 2000": {"compression": "jpeg2000"},
}


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """No side is a whole number of tiles, and every pixel differs from the next."""
    image = he_like(1_003, 1_210, 0.5, [(0, 0, 1, 1)])
    return np.clip(image + np.random.default_rng(1).normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def all_coords(opened) -> np.ndarray:
    grid = grid_for(opened.info, PLAN)
    return grid.coords(np.arange(grid.tiles))


def by_openslide(opened, coords, level: int = 0) -> np.ndarray:
    return np.stack([render_tile(opened, PLAN, level, int(x0), int(y0)) for x0, y0 in coords])


def read_all(opened, coords, plan: ReadingPlan = PLAN) -> tuple[np.ndarray, TileReader]:
    with TileReader(opened, plan, coords) as reader:
        return np.stack([reader.tile(index) for index in range(len(coords))]), reader


def tile_places(path: Path) -> list[tuple[int, int]]:
    """Offset and length of the first directory's tiles."""
    data = path.read_bytes()
    (at,) = struct.unpack_from("<I", data, 4)
    found = {}
    for entry in range(struct.unpack_from("<H", data, at)[0]):
        tag, _, count, value = struct.unpack_from("<HHII", data, at + 2 + 12 * entry)
        found[tag] = struct.unpack_from(f"<{count}I", data, value) if tag in (324, 325) else ()
    return list(zip(found[324], found[325], strict=True))


@pytest.mark.parametrize("how", CODINGS.values(), ids=CODINGS)
def test_every_tile_is_openslides_to_two_grey_levels(tmp_path, pixels, how):
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.5, levels=(1,), **how)) as opened:
        coords = all_coords(opened)
        tiles, reader = read_all(opened, coords)
        assert (reader.why_openslide, reader.by_openslide) == ("", 0)
        difference = np.abs(tiles.astype(int) - by_openslide(opened, coords))
    assert difference.max() <= 2
    if "jpeg" in how:
        assert difference.max() == 0


@pytest.mark.parametrize("axis", [0, 1], ids=["x", "y"])
@pytest.mark.parametrize("mpp", [0.2630, 0.3612])
def test_ruler_edges_land_where_they_belong(tmp_path, mpp, axis):
    jpeg = Jpeg(quality=99)
    errors = []
    with open_slide(ruler_slide(tmp_path / "ruler.svs", 9_007, mpp, axis, jpeg=jpeg)) as opened:
        grid = grid_for(opened.info, PLAN)
        starts = grid.x0 if axis == 0 else grid.y0
        coords = np.stack([starts, np.zeros_like(starts)], axis=1)[:, :: 1 if axis == 0 else -1]
        tiles, reader = read_all(opened, coords)
        assert (reader.why_openslide, reader.by_openslide) == ("", 0)
        for start, tile in zip(starts[:-2], tiles[:-2], strict=True):
            errors += edge_errors_px(tile, int(start), mpp, axis)
    assert len(errors) >= 8 and np.abs(errors).max() < 0.05


@pytest.mark.parametrize("axis", [0, 1], ids=["x", "y"])
@pytest.mark.parametrize(("mpp", "levels", "shrink"), [(0.25, (1, 4), 2), (0.2630, (1, 4), 2), (0.2630, (1,), 8)])
def test_ruler_edges_stay_where_the_decoder_shrinks(tmp_path, mpp, levels, shrink, axis):
    """Halved by the decoder, an edge keeps its place; so it does on the level that ends within a coarser px."""
    errors = []
    jpeg = Jpeg(quality=99)
    with open_slide(ruler_slide(tmp_path / "ruler.svs", 9_007, mpp, axis, levels=levels, jpeg=jpeg)) as opened:
        grid = grid_for(opened.info, HALVING)
        starts = grid.x0 if axis == 0 else grid.y0
        coords = np.stack([starts, np.zeros_like(starts)], axis=1)[:, :: 1 if axis == 0 else -1]
        with TileReader(opened, HALVING, coords) as reader:
            assert reader.why_openslide == "" and reader._direct is not None
            assert reader._direct.image.shrink == shrink
            for number, start in enumerate(starts[:-2]):
                errors += edge_errors_px(reader.tile(number), int(start), mpp, axis)
            assert reader.by_openslide == 0
    assert len(errors) >= 8 and np.abs(errors).max() < 0.1


def test_a_tile_of_many_bytes_is_not_too_large_because_the_decoder_shrinks_it(tmp_path, pixels):
    """Its bytes are those of the whole tile: noise of 256 px in 98 % quality takes more than 2 · 3 · 32² of them."""
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.25, levels=(1,), jpeg=Jpeg(quality=98))) as opened:
        assert min(length for _, length in tile_places(tmp_path / "s.svs")) > 2 * 3 * 32 * 32
        with TileReader(opened, HALVING, all_coords(opened)) as reader:
            reader.tile(0)
            assert reader._direct is not None and reader._direct.image.shrink == 8
            assert (reader.why_openslide, reader.by_openslide) == ("", 0)


@pytest.mark.parametrize("how", [CODINGS["4:4:4"], CODINGS["4:2:0"], CODINGS["RGB, tables in the directory"]])
def test_what_the_decoder_halves_is_nearly_what_the_filter_halves(tmp_path, pixels, how):
    smooth = np.asarray(Image.fromarray(pixels).filter(ImageFilter.BoxBlur(2)))
    with open_slide(write_svs(tmp_path / "s.svs", smooth, 1.0, levels=(1,), **how)) as opened:
        coords = all_coords(opened)
        halved, reader = read_all(opened, coords, HALVING)
        assert (reader.why_openslide, reader.by_openslide) == ("", 0)
        filtered, _ = read_all(opened, coords)
    difference = np.abs(halved.astype(int) - filtered)
    assert 0 < difference.mean() < 1.5
    assert np.array_equal((halved == 255).all(axis=(1, 2, 3)), (filtered == 255).all(axis=(1, 2, 3)))


@pytest.mark.parametrize(
    ("mpp", "how"), [(1.07, {}), (1.0, {"compression": "jpeg2000"}), (2.0, {})], ids=["too coarse", "JPEG 2000", "5x"]
)
def test_nothing_is_halved_that_would_be_too_coarse_or_is_no_jpeg(tmp_path, pixels, mpp, how):
    with open_slide(write_svs(tmp_path / "s.svs", pixels, mpp, levels=(1,), **how)) as opened:
        coords = all_coords(opened)
        assert np.array_equal(read_all(opened, coords, HALVING)[0], read_all(opened, coords)[0])


def test_each_compressed_tile_is_decoded_once_and_none_is_kept(tmp_path, pixels):
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.5, levels=(1,))) as opened:
        with TileReader(opened, PLAN, all_coords(opened)) as reader:
            for index in range(len(all_coords(opened))):
                reader.tile(index)
            assert reader._direct is not None
            assert reader._direct.tiles_decoded == len(tile_places(tmp_path / "s.svs")) == 20
            assert reader._direct._decoded == {}
        one = all_coords(opened)[:1]
        with TileReader(opened, PLAN, one) as reader:
            reader.tile(0)
            assert reader._direct is not None and reader._direct.tiles_decoded == 16  # 896 px of 256 each way


def test_the_memory_is_bounded_and_any_order_will_do(tmp_path, pixels, monkeypatch):
    monkeypatch.setattr(direct_level, "CACHE_BYTES", 3 * 256 * 256 * 3)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.5, levels=(1,))) as opened:
        coords = all_coords(opened)
        expected = by_openslide(opened, coords)
        with TileReader(opened, PLAN, coords) as reader:
            for index in (3, 0, 2, 1, 0, 3):
                assert np.array_equal(reader.tile(index), expected[index])
                assert reader._direct is not None and len(reader._direct._decoded) <= 3


def test_a_tile_that_the_file_leaves_out_is_left_to_openslide(tmp_path, pixels):
    path = write_generic_tiff(tmp_path / "s.tiff", pixels, levels=(1,))
    data = bytearray(path.read_bytes())
    lengths = [length for _, length in tile_places(path)]
    table = data.index(struct.pack(f"<{len(lengths)}I", *lengths))
    data[table : table + 4] = bytes(4)  # the first tile, which no check looks at
    path.write_bytes(data)
    with open_slide(path, 0.5) as opened:
        coords = all_coords(opened)
        tiles, reader = read_all(opened, coords)
        assert (reader.why_openslide, reader.by_openslide) == ("", 1)
        assert np.array_equal(tiles, by_openslide(opened, coords))
        assert (tiles[0, :60, :60] == 255).all() and (tiles[0, 70:, 70:] < 255).all()


def test_a_damaged_tile_ends_as_it_does_with_openslide(tmp_path, pixels):
    path = write_svs(tmp_path / "s.svs", pixels, 0.5, levels=(1,))
    whole = path.read_bytes()
    offset, length = tile_places(path)[0]
    for kind in ("repairable", "hopeless"):
        data = bytearray(whole)
        if kind == "hopeless":
            data[offset : offset + 400] = bytes(400)
        else:
            data[offset + length // 2 : offset + length // 2 + 100] = bytes(100)
        path.write_bytes(data)
        with open_slide(path) as opened, TileReader(opened, PLAN, all_coords(opened)) as reader:
            assert reader.why_openslide == ""
            if kind == "hopeless":
                with pytest.raises(SlideCorruptError, match="cannot be decoded"):
                    reader.tile(0)
            else:
                assert np.array_equal(reader.tile(0), by_openslide(opened, all_coords(opened)[:1])[0])
            assert reader.by_openslide == 1
            reader.tile(3)
            assert reader.by_openslide == 1


FAULTS = {
    "channels swapped": lambda tile: tile[..., ::-1],
    "three grey levels": lambda tile: np.clip(tile.astype(int) + 3, 0, 255).astype(np.uint8),
    "a pixel further": lambda tile: np.roll(tile, 1, axis=1),
    "another tile": lambda tile: tile[::-1],
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("level", [0, 1])
def test_a_slide_that_comes_out_differently_is_read_through_openslide(tmp_path, monkeypatch, fault, level):
    monkeypatch.setattr(direct_level, "decode_tile", lambda data, image: fault(decode_tile(data, image)))
    image = np.random.default_rng(3).integers(0, 256, (2_003, 2_007, 3), dtype=np.uint8)
    with open_slide(write_svs(tmp_path / "s.svs", image, 0.5 if level == 0 else 0.4, levels=(1, 4))) as opened:
        assert level == 0 or opened.slide.level_downsamples[1] != 4
        coords = all_coords(opened)[:2]
        tiles, reader = read_all(opened, coords)
        assert "differ from OpenSlide's by" in reader.why_openslide
        assert np.array_equal(tiles, by_openslide(opened, coords, reader._level))


def test_a_fraction_of_a_level_px_is_no_difference(tmp_path):
    """OpenSlide's factor is 4.0015 here: it interpolates, and the check knows it."""
    image = np.random.default_rng(3).integers(0, 256, (2_003, 2_007, 3), dtype=np.uint8)
    path = write_svs(tmp_path / "s.svs", image, 0.4, levels=(1, 4))
    with open_slide(path) as opened, TileReader(opened, PLAN, all_coords(opened)) as reader:
        assert reader.why_openslide == ""
        direct = reader._direct
        assert direct is not None
        for x, y in [(5, 5), (300, 40), (499, 500), (260, 258)]:
            self_check.check_patch(opened.slide, 1, direct, direct_level.LevelRect(x, y, 1, 1))


@pytest.mark.parametrize("kind", ["raw", "tables are missing"])
def test_what_is_of_another_kind_is_read_through_openslide(tmp_path, pixels, kind):
    path = tmp_path / "s.tiff"
    if kind == "raw":
        write_generic_tiff(path, pixels, levels=(1,), compression="raw")
        why = "compression 1 "
    else:
        write_generic_tiff(path, pixels, levels=(1,), jpeg=Jpeg(tables=True))
        data = bytearray(path.read_bytes())
        at = data.index(struct.pack("<HH", 347, 7))
        data[at : at + 2] = struct.pack("<H", 346)
        path.write_bytes(data)
        why = "JPEG tile that is not whole"
    with open_slide(path, 0.5) as opened, TileReader(opened, PLAN, all_coords(opened)) as reader:
        assert why in reader.why_openslide
        if kind != "tables are missing":
            assert np.array_equal(reader.tile(0), by_openslide(opened, all_coords(opened)[:1])[0])


@pytest.mark.parametrize("coding", ["4:4:4", "4:2:0", "RGB"])
def test_an_ome_tiff_is_read_directly_with_its_own_pixel_size(tmp_path, pixels, coding):
    """OpenSlide sees its first level alone (SubIFDs are not its levels), and nothing of its resolution."""
    with open_slide(write_ome_tiff(tmp_path / "s.ome.tiff", pixels, 0.5, **CODINGS[coding])) as opened:
        info, coords = opened.info, all_coords(opened)
        assert (info.vendor, info.mpp, info.mpp_source, len(info.levels)) == ("generic-tiff", 0.5, "file", 1)
        found, reader = read_all(opened, coords)
        expected = by_openslide(opened, coords)
    assert (reader.why_openslide, reader.by_openslide) == ("", 0)
    assert np.abs(found.astype(int) - expected).max() <= self_check.TOLERANCE
