"""Damaged tiles: decoded as OpenSlide does, or left to it."""

import random
import struct
from pathlib import Path

import numpy as np
import openslide
import pytest

from app.slides.formats.compressed.tile_codec import decode_tile
from app.slides.formats.compressed.tiled_image import NotDirectError, TiledImage, find_tiled_image
from app.slides.formats.opening import open_slide
from tests.slides.make_slide import Jpeg, he_like, write_svs
from tests.slides.make_tiff import page, write_tiff

MUTATIONS = 48
PX = 64
CODINGS = {
    "JPEG": {"jpeg": Jpeg(subsampling=2)},
    "JPEG, shared tables": {"jpeg": Jpeg(subsampling=2, tables=True)},
    "JPEG 2000": {"compression": "jpeg2000"},
}


def one_tile(path: Path, how: dict) -> tuple[bytes, int, TiledImage]:
    """A slide of one tile of 64 px: its bytes, where the tile begins, and what is known of it."""
    pixels = he_like(PX, PX, 0.5, [(0, 0, 1, 1)])
    noise = np.random.default_rng(4).normal(0, 15, pixels.shape)
    write_svs(path, np.clip(pixels + noise, 0, 255).astype(np.uint8), 0.5, levels=(1,), tile_px=PX, **how)
    with open_slide(path) as opened:
        image = find_tiled_image(path, opened.info, 0, opened.colours)
    return path.read_bytes(), int(image.offsets[0, 0]), image


def damaged(tile: bytes, rng: random.Random) -> bytes:
    data = bytearray(tile)
    kind = rng.randrange(4)
    at = rng.randrange(len(data) // 2, len(data) - 30)
    if kind == 0:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[at : at + 25] = bytes(25)
    elif kind == 2:
        data[at:] = b"\xff\xd9" + bytes(len(data) - at - 2)
    else:
        data[rng.randrange(2, 60)] ^= 1 << rng.randrange(8)
    return bytes(data)


def openslides(path: Path) -> np.ndarray | None:
    try:
        with openslide.OpenSlide(path) as slide:
            return np.asarray(slide.read_region((0, 0), 0, (PX, PX)).convert("RGB"))
    except openslide.OpenSlideError:
        return None


@pytest.mark.parametrize("how", CODINGS.values(), ids=CODINGS)
def test_nothing_comes_out_that_openslide_would_not_give(tmp_path, how):
    path = tmp_path / "s.svs"
    whole, offset, image = one_tile(path, how)
    tile = whole[offset : offset + int(image.byte_counts[0, 0])]
    assert np.abs(decode_tile(tile, image).astype(int) - openslides(path)).max() <= 2
    decoded = 0
    for seed in range(MUTATIONS):
        data = damaged(tile, random.Random(seed))
        try:
            pixels = decode_tile(data, image)
        except NotDirectError:
            continue
        decoded += 1
        path.write_bytes(whole[:offset] + data + whole[offset + len(tile) :])
        expected = openslides(path)
        assert expected is not None, f"seed {seed}: OpenSlide refuses it"
        assert np.abs(pixels.astype(int) - expected).max() <= 2, f"seed {seed}"
    assert 3 <= decoded < MUTATIONS - 3


@pytest.mark.parametrize("how", CODINGS.values(), ids=CODINGS)
def test_a_tile_of_another_size_is_refused_before_it_takes_memory(tmp_path, how):
    whole, offset, image = one_tile(tmp_path / "s.svs", how)
    data = bytearray(whole[offset : offset + int(image.byte_counts[0, 0])])
    if "jpeg" in how:
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = b"\x7d\x00\x7d\x00"
    else:
        data[8:12] = data[24:28] = (2**31 - 1).to_bytes(4, "big")
    with pytest.raises(NotDirectError, match=r"32000 × 32000|2147483647"):
        decode_tile(bytes(data), image)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\xff\x4f\xff\x51", bytes(500)])
@pytest.mark.parametrize("how", CODINGS.values(), ids=CODINGS)
def test_no_tile_at_all(tmp_path, how, data):
    _, _, image = one_tile(tmp_path / "s.svs", how)
    with pytest.raises(NotDirectError):
        decode_tile(data, image)


def lossless_grey() -> bytes:
    """A lossless JPEG (ITU-T T.81, process 14) of ``PX`` × ``PX`` px of 128: each differs from its prediction by 0."""
    components = b"".join(bytes([name, 0x11, 0]) for name in b"RGB")
    frame = struct.pack(">2sHBHHB", b"\xff\xc3", 17, 8, PX, PX, 3) + components
    codes = b"\xff\xc4\x00\x14\x00" + bytes([1] + [0] * 15) + b"\x00"
    scan = b"\xff\xda\x00\x0c\x03R\x00G\x00B\x00\x01\x00\x00"
    return b"\xff\xd8" + codes + frame + scan + bytes(PX * PX * 3 // 8) + b"\xff\xd9"


def test_a_lossless_jpeg_is_left_to_openslide(tmp_path):
    grey = np.full((PX, PX, 3), 128, np.uint8)
    tags = {259: 7, 262: 2}
    path = write_tiff(tmp_path / "a.tif", [page(grey, tags, lambda _: lossless_grey(), PX)])
    assert np.array_equal(openslides(path), grey)
    with open_slide(path) as opened:
        image = find_tiled_image(path, opened.info, 0, opened.colours)
    for shrunk in (image, image.shrunk(2), image.shrunk(8)):
        with pytest.raises(NotDirectError, match="lossless"):
            decode_tile(lossless_grey(), shrunk)
