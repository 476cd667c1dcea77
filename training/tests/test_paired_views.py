"""The same is done to both magnifications: tokens follow their teacher tiles through every mirroring and turn."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from PIL import Image

from xmag_train.distill.loop.batches import move_tokens
from xmag_train.distill.views.readings import READINGS, read_at_5x
from xmag_train.distill.views.stain_jitter import StainJitter, jitter_stain
from xmag_train.distill.views.view import PLAIN, SYMMETRIES, AugmentConfig, Symmetry, View, draw_view, teacher_tiles
from xmag_train.networks.token_pool import pooling_matrix


def painted() -> np.ndarray:
    """uint8 [896, 896, 3]: teacher tile k is flat, of value 10 + 15 k in red."""
    values = (10 + 15 * np.arange(16, dtype=np.uint8)).reshape(4, 4)
    red = np.kron(values, np.ones((224, 224), dtype=np.uint8))
    return np.stack([red, 255 - red, red // 2], axis=-1)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
@pytest.mark.parametrize("lit", [0, 6, 11, 13])
def test_the_token_that_sees_the_lit_tile_is_that_of_the_teacher_that_does(symmetry: Symmetry, lit: int) -> None:
    region = np.zeros((896, 896, 3), dtype=np.uint8)
    row, column = divmod(lit, 4)
    region[row * 224 : (row + 1) * 224, column * 224 : (column + 1) * 224] = 255
    view = View(symmetry, StainJitter())
    teacher = teacher_tiles(region, view)[:, 112, 112, 0]
    tile = view.apply(torch.from_numpy(read_at_5x(Image.fromarray(region), "area")))
    map_7x7 = tile[..., 0].float().reshape(7, 32, 7, 32).mean(dim=(1, 3))
    tokens = (map_7x7.reshape(1, 49) @ pooling_matrix())[0]
    assert teacher.nonzero().flatten().tolist() == [int(tokens.argmax())]
    # Cells of 32 px straddle the tiles' edges (56 px), so a token keeps 3/4 or more of its own tile along each side.
    assert 0.55 * 255 < tokens.max() <= 255
    assert tokens.sort().values[-2] < 0.15 * 255


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_targets_moved_are_the_targets_of_the_moved_picture(symmetry: Symmetry) -> None:
    plain = teacher_tiles(painted(), PLAIN)[:, 0, 0].float()
    moved = teacher_tiles(painted(), View(symmetry, StainJitter()))[:, 0, 0].float()
    assert torch.equal(move_tokens(plain, symmetry), moved)


def test_a_symmetry_is_exact_on_pixels() -> None:
    pixels = torch.arange(12).reshape(2, 2, 3)
    turned = Symmetry(mirrored=True, turns=1).apply(pixels)
    assert turned[:, :, 0].tolist() == [[0, 6], [3, 9]]
    assert len({tuple(s.apply(pixels).flatten().tolist()) for s in SYMMETRIES}) == 8


def test_jitter_scales_what_each_stain_absorbs() -> None:
    pixels = torch.tensor([[200, 120, 180]], dtype=torch.uint8)
    assert torch.equal(jitter_stain(pixels, StainJitter()), pixels)
    doubled = jitter_stain(pixels, StainJitter(scale=(2.0, 2.0, 2.0)))  # twice the density: I²/255
    assert doubled.tolist() == [[round(v * v / 255) for v in (200, 120, 180)]]
    assert jitter_stain(pixels, StainJitter(gain=1.1)).tolist() == [[220, 132, 198]]


def test_flat_colours_are_jittered_alike_at_both_magnifications() -> None:
    view = draw_view("some region", 3, AugmentConfig())
    region = np.full((896, 896, 3), (210, 130, 190), dtype=np.uint8)
    tile = torch.from_numpy(read_at_5x(Image.fromarray(region), "lanczos"))
    assert not view.jitter.is_identity
    assert torch.equal(view.apply(tile)[0, 0], teacher_tiles(region, view)[5, 100, 100])


def test_a_view_is_the_same_each_time_and_the_first_is_plain() -> None:
    config = AugmentConfig()
    assert draw_view("a", 0, config) == PLAIN
    assert draw_view("a", 1, config) == draw_view("a", 1, config)
    assert len({draw_view("a", 1, config), draw_view("a", 2, config), draw_view("b", 1, config)}) == 3


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_shows_the_same_field(reading: str) -> None:
    tile = read_at_5x(Image.fromarray(painted()), reading).astype(int)
    assert tile.shape == (224, 224, 3)
    centres = tile[28::56, 28::56, 0].ravel()
    assert np.abs(centres - (10 + 15 * np.arange(16))).max() <= 4
