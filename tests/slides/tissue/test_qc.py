import numpy as np
import pytest
from PIL import Image, ImageFilter

from app.slides.tissue.sharpness import out_of_focus_fraction, sharpness
from app.slides.tissue.stain import stain_is_he
from tests.slides.make_thumbnail import EOSIN, NUCLEI, disc, glass, paint

# Optical densities per unit of dye, red, green, blue: Ruifrok & Johnston 2001; fast red as in published H-AEC and H-AP.
HAEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN_DYE = (0.072, 0.990, 0.105)
DAB = (0.268, 0.570, 0.776)
FAST_RED = (0.213, 0.851, 0.477)


def stained(dyes, background=(243, 243, 243)):
    """A 200 × 200 slide: a disc whose left half holds the first (dye, amount), its right half the second."""
    picture = glass(200, 200)
    where = disc(picture, 100, 100, 70)
    sides = np.tile(np.arange(200) < 100, (200, 1)), np.tile(np.arange(200) >= 100, (200, 1))
    for side, mixture in zip(sides, dyes, strict=True):
        density = sum(np.array(dye) * amount for dye, amount in mixture)
        paint(picture, where & side, tuple(243 * 10**-density))
    tinted = np.rint(picture * (np.array(background) / 243)).astype(np.uint8)
    return tinted, where


HE = ([(EOSIN_DYE, 0.2), (HAEMATOXYLIN, 0.05)], [(HAEMATOXYLIN, 0.5), (EOSIN_DYE, 0.2)])


@pytest.mark.parametrize("background", [(243, 243, 243), (235, 225, 205), (222, 230, 240), (120, 120, 120)])
@pytest.mark.parametrize("strength", [0.5, 1.0, 1.6])
def test_haematoxylin_and_eosin_are_he(background, strength):
    mixtures = [[(dye, amount * strength) for dye, amount in side] for side in HE]
    assert stain_is_he(*stained(mixtures, background)) is True


@pytest.mark.parametrize(
    "dyes",
    [
        ([(DAB, 0.5)], [(HAEMATOXYLIN, 0.2)]),
        ([(DAB, 0.3), (HAEMATOXYLIN, 0.1)], [(DAB, 0.6)]),
        ([(HAEMATOXYLIN, 0.2)], [(HAEMATOXYLIN, 0.3)]),
        ([(FAST_RED, 0.6)], [(HAEMATOXYLIN, 0.15)]),
    ],
    ids=["dab", "dab everywhere", "counterstain alone", "red chromogen"],
)
def test_immunohistochemistry_is_not_he(dyes):
    assert stain_is_he(*stained(dyes)) is False


def test_too_little_tissue_tells_nothing():
    picture = glass(100, 100)
    paint(picture, disc(picture, 50, 50, 4), EOSIN)
    assert stain_is_he(picture, disc(picture, 50, 50, 4)) is None
    assert stain_is_he(picture, np.zeros((100, 100), bool)) is None
    assert stain_is_he(np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), bool)) is None


def texture(seed, contrast=40.0):
    """A 224 px tile of nuclei-like blobs, in focus."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (224, 224), dtype=np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
    level = (np.asarray(noise, np.float32) - 128) / 128 * contrast
    middle = (np.array(EOSIN, np.float32) + np.array(NUCLEI, np.float32)) / 2
    return np.clip(np.rint(middle + level[..., None]), 0, 255).astype(np.uint8)


def blurred(tiles, radius_px):
    return np.stack([np.asarray(Image.fromarray(tile).filter(ImageFilter.GaussianBlur(radius_px))) for tile in tiles])


def test_every_step_of_blur_lowers_sharpness_and_raises_the_fraction():
    tiles = np.stack([texture(seed) for seed in range(4)])
    last = sharpness(tiles)
    fractions = [out_of_focus_fraction(last)]
    assert last.dtype == np.float32
    for radius_px in (0.6, 0.8, 1.0, 1.4, 2.0, 3.0, 5.0, 9.0):
        values = sharpness(blurred(tiles, radius_px))
        assert (values <= last).all()
        last = values
        fractions.append(out_of_focus_fraction(values))
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.05
    assert fractions[-1] == 1


def test_contrast_and_brightness_hardly_matter():
    full = sharpness(texture(3)[None])[0]
    assert sharpness(texture(3, contrast=20)[None])[0] == pytest.approx(full, rel=0.1)
    darker = np.rint(texture(3) * 0.6).astype(np.uint8)
    assert sharpness(darker[None])[0] == pytest.approx(full, rel=0.1)


def test_sharpness_of_a_known_pattern():
    # Columns 0, 0, 100, 100 ...: |Laplacian| is 100 everywhere; at half size the columns alternate, and it is 200.
    tile = np.zeros((224, 224, 3), np.uint8)
    tile[:, 2::4] = tile[:, 3::4] = 100
    assert sharpness(tile[None])[0] == pytest.approx((100**2 - 6) / (200**2 + 20), rel=1e-5)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_tile_of_one_colour_tells_nothing(grey):
    values = sharpness(np.full((2, 224, 224, 3), grey, np.uint8))
    assert np.isnan(values).all()
    assert out_of_focus_fraction(values) is None


def test_the_fraction_counts_in_proportion_and_leaves_out_what_tells_nothing():
    values = np.array([0.0, 0.15, 0.275, 0.40, 2.0, np.nan], np.float32)
    assert out_of_focus_fraction(values) == pytest.approx(2.5 / 5)
    assert out_of_focus_fraction(np.empty(0, np.float32)) is None
    assert sharpness(np.empty((0, 224, 224, 3), np.uint8)).shape == (0,)


def test_tiles_are_not_taken_for_their_sharpness():
    with pytest.raises(ValueError, match="one sharpness per tile"):
        out_of_focus_fraction(np.zeros((2, 224, 224, 3), np.uint8))
