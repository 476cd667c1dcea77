"""Quality figures on real slides: each rises with its own fault, and stays low without it."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from app.slides.tissue.sharpness import out_of_focus_fraction, sharpness
from app.slides.tissue.stain import stain_is_he
from app.slides.tissue.tissue import find_tissue
from tests.realdata.pictures import (
    HE_SLIDES,
    IHC_MPP,
    IHC_SLIDE,
    THUMBNAIL_MPP,
    atlas_thumbnails,
    thumbnail,
    tissue_tiles,
)
from tests.slides.make_thumbnail import INKS

PEN_LOW = DARK_LOW = 0.001
OUT_OF_FOCUS_LOW = 0.05
PAINTED = ("dev_lusc_he3_20x.svs", "dev_pdac_adrenal_he_20x_jp2k.svs")


@pytest.mark.parametrize("name", HE_SLIDES)
def test_an_untouched_slide_has_low_figures(slides_dir, name):
    picture = thumbnail(slides_dir / name, HE_SLIDES[name])
    masks = find_tissue(picture, THUMBNAIL_MPP)
    assert masks.pen.mean() <= PEN_LOW
    assert masks.dark.mean() <= DARK_LOW
    assert stain_is_he(picture, masks.tissue) is True
    tiles = tissue_tiles(slides_dir / name, HE_SLIDES[name], masks.tissue, most=16)
    assert out_of_focus_fraction(sharpness(tiles)) <= OUT_OF_FOCUS_LOW


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("name", PAINTED)
def test_a_longer_stroke_of_marker_is_more_pen(slides_dir, name, ink):
    clean = thumbnail(slides_dir / name, HE_SLIDES[name])
    height, width = clean.shape[:2]
    path = [(width * (0.08 + 0.8 * t), height * (0.15 + 0.6 * t + 0.05 * np.sin(9 * t))) for t in np.linspace(0, 1, 41)]
    fractions = [find_tissue(clean, THUMBNAIL_MPP).pen.mean()]
    for points in (11, 25, 41):
        stroke = Image.new("L", (width, height))
        ImageDraw.Draw(stroke).line(path[:points], fill=255, width=max(8, width // 40))
        covered = np.asarray(stroke) > 0
        marked = clean.copy()
        # Ink is transparent: what lies under it darkens it.
        marked[covered] = np.rint(clean[covered] * (np.array(INKS[ink]) / 255)).astype(np.uint8)
        pen = find_tissue(marked, THUMBNAIL_MPP).pen
        assert pen[covered].mean() > 0.9
        fractions.append(pen.mean())
    assert all(less < more for less, more in pairwise(fractions))


@pytest.mark.parametrize("name", PAINTED)
def test_wider_black_borders_are_more_dark(slides_dir, name):
    clean = thumbnail(slides_dir / name, HE_SLIDES[name])
    fractions = []
    for share in (0.0, 0.03, 0.1, 0.2, 0.4):
        cut = clean.copy()
        cut[:, : int(share * clean.shape[1])] = 2
        cut[: int(share / 2 * clean.shape[0])] = 2
        masks = find_tissue(cut, THUMBNAIL_MPP)
        assert masks.dark.mean() == pytest.approx(1 - (1 - share) * (1 - share / 2), abs=0.01)
        assert not masks.pen.any()
        fractions.append(masks.dark.mean())
    assert all(less < more for less, more in pairwise(fractions))


@pytest.mark.parametrize("name", HE_SLIDES)
def test_dimming_never_makes_less_of_a_slide_dark_and_in_the_end_all(slides_dir, name):
    clean = thumbnail(slides_dir / name, HE_SLIDES[name])
    dimmed = [np.rint(clean * factor).astype(np.uint8) for factor in (1, 0.8, 0.6, 0.5, 0.3, 0)]
    fractions = [find_tissue(picture, THUMBNAIL_MPP).dark.mean() for picture in dimmed]
    assert all(less <= more for less, more in pairwise(fractions))
    assert fractions[0] <= DARK_LOW
    assert fractions[0] < fractions[3] < fractions[-1] == 1


@pytest.mark.parametrize("name", HE_SLIDES)
def test_more_blur_is_more_out_of_focus(slides_dir, name):
    tissue = find_tissue(thumbnail(slides_dir / name, HE_SLIDES[name]), THUMBNAIL_MPP).tissue
    tiles = tissue_tiles(slides_dir / name, HE_SLIDES[name], tissue, most=8)
    values, fractions = [sharpness(tiles)], []
    for radius_px in (0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0):
        blur = ImageFilter.GaussianBlur(radius_px)
        values.append(sharpness(np.stack([np.asarray(Image.fromarray(tile).filter(blur)) for tile in tiles])))
    assert all((blurrier <= sharper).all() for sharper, blurrier in pairwise(values))
    fractions = [out_of_focus_fraction(value) for value in values]
    assert fractions == sorted(fractions)
    assert fractions[2] > 0.2
    assert fractions[4] > 0.95


def test_immunohistochemistry_is_told_from_he(slides_dir):
    picture = thumbnail(slides_dir / IHC_SLIDE, IHC_MPP)
    for factor in (1, 2, 4):
        seen = np.asarray(Image.fromarray(picture).reduce(factor))
        assert stain_is_he(seen, find_tissue(seen, THUMBNAIL_MPP * factor).tissue) is False


def test_every_atlas_slide_is_he_whatever_the_scanner_s_tint(slides_dir):
    tints = [(1, 1, 1), (1, 0.96, 0.86), (0.9, 0.97, 1), (0.6, 0.6, 0.6)]
    for number, path in enumerate(atlas_thumbnails(slides_dir)):
        untinted = np.asarray(Image.open(path).convert("RGB").reduce(2))
        picture = np.rint(untinted * tints[number % len(tints)]).astype(np.uint8)
        assert stain_is_he(picture, find_tissue(picture, 32.0).tissue) is True, path.stem
