from itertools import pairwise

import numpy as np
import pytest

from app.slides.tissue.tissue import _raised, find_tissue
from tests.slides.make_thumbnail import EOSIN, INKS, NUCLEI, PALE, disc, glass, paint


def assert_disjoint(masks):
    layers = np.stack([masks.tissue, masks.pen, masks.dark])
    assert layers.dtype == np.bool_
    assert layers.sum(axis=0).max() <= 1


@pytest.mark.parametrize("colour", [EOSIN, NUCLEI, PALE])
@pytest.mark.parametrize("mpp", [4.0, 8.0, 16.0, 24.0])
def test_finds_a_disc_of_tissue_where_it_lies(colour, mpp):
    picture = glass(300, 400)
    where = disc(picture, 150, 120, 60)
    paint(picture, where, colour)
    masks = find_tissue(picture, mpp)
    both = (masks.tissue & where).sum()
    assert both / (masks.tissue | where).sum() > 0.93
    assert not masks.pen.any()
    assert not masks.dark.any()


def test_keeps_a_fragment_of_100_um_and_leaves_out_a_speck_of_30_um():
    picture = glass(300, 300)
    fragment, speck = disc(picture, 80, 80, 100 / 8 / 2), disc(picture, 220, 220, 30 / 8 / 2)
    paint(picture, fragment, EOSIN)
    paint(picture, speck, EOSIN)
    tissue = find_tissue(picture, 8.0).tissue
    assert (tissue & fragment).sum() > 0.8 * fragment.sum()
    assert tissue[150:, 150:].sum() == 0
    assert tissue.sum() < 2 * fragment.sum()


def test_keeps_fat_beside_stained_tissue():
    picture = glass(300, 300)
    paint(picture, disc(picture, 60, 150, 50), EOSIN)
    rows, columns = np.mgrid[:300, :300]
    fat = (columns > 105) & (columns < 240) & (rows > 100) & (rows < 220)
    walls = fat & ((rows % 8 == 0) | (columns % 8 == 0))
    paint(picture, walls, (236, 222, 234))
    tissue = find_tissue(picture, 8.0).tissue
    assert tissue[fat].mean() > 0.9
    assert tissue[:, 260:].sum() == 0


@pytest.mark.parametrize("tint", [(235, 225, 205), (228, 238, 232), (222, 230, 240), (244, 236, 240), (200, 200, 196)])
def test_tinted_glass_is_not_tissue(tint):
    picture = glass(300, 400, tint)
    assert not find_tissue(picture, 8.0).tissue.any()
    where = disc(picture, 150, 120, 60)
    paint(picture, where, tuple(round(channel * value / 243) for channel, value in zip(tint, EOSIN, strict=True)))
    tissue = find_tissue(picture, 8.0).tissue
    assert (tissue & where).sum() / (tissue | where).sum() > 0.93


def test_white_padding_beside_tinted_glass_is_not_tissue():
    picture = glass(300, 400, (232, 226, 212))
    picture[:, :150] = 255
    assert not find_tissue(picture, 8.0).tissue.any()


def test_a_slide_full_of_tissue_is_tissue():
    picture = glass(300, 400)
    paint(picture, np.ones((300, 400), bool), EOSIN)
    paint(picture, disc(picture, 100, 100, 40), NUCLEI)
    assert find_tissue(picture, 8.0).tissue.mean() > 0.99


@pytest.mark.parametrize("grey", [120, 180, 215])
def test_grey_dust_and_shadow_are_not_tissue(grey):
    picture = glass(300, 300)
    paint(picture, disc(picture, 150, 150, 20), (grey, grey, grey))
    assert not find_tissue(picture, 8.0).tissue.any()


@pytest.mark.parametrize("ink", INKS)
def test_ink_is_pen_and_never_tissue(ink):
    picture = glass(300, 400)
    tissue, stroke = disc(picture, 150, 150, 60), disc(picture, 330, 150, 30)
    paint(picture, tissue, EOSIN)
    paint(picture, stroke, INKS[ink])
    masks = find_tissue(picture, 8.0)
    assert masks.pen[stroke].all()
    assert (masks.tissue & tissue).sum() > 0.95 * tissue.sum()
    assert masks.tissue[:, 280:].sum() == 0
    assert_disjoint(masks)


@pytest.mark.parametrize("ink", INKS)
def test_more_ink_is_more_pen(ink):
    fractions = []
    for radius in (0, 12, 18, 25, 40):
        picture = glass(300, 400)
        paint(picture, disc(picture, 150, 150, 60), EOSIN)
        if radius:
            paint(picture, disc(picture, 230, 150, radius), INKS[ink])
        fractions.append(find_tissue(picture, 8.0).pen.mean())
    assert fractions[0] == 0
    assert all(less < more for less, more in pairwise(fractions))


@pytest.mark.parametrize("colour", [(200, 137, 154), (125, 48, 80), (60, 40, 110), (150, 110, 200)])
def test_blood_and_dense_nuclei_are_not_ink(colour):
    picture = glass(300, 400)
    paint(picture, disc(picture, 150, 150, 60), colour)
    masks = find_tissue(picture, 8.0)
    assert not masks.pen.any()
    assert masks.tissue.any()


@pytest.mark.parametrize("margin_px", [10, 30, 60])
def test_black_scan_borders_are_dark(margin_px):
    picture = glass(300, 400)
    paint(picture, disc(picture, 200, 150, 50), EOSIN)
    picture[:margin_px] = picture[-margin_px:] = 3
    picture[:, :margin_px] = picture[:, -margin_px:] = 3
    masks = find_tissue(picture, 8.0)
    inside = (300 - 2 * margin_px) * (400 - 2 * margin_px)
    assert masks.dark.mean() == pytest.approx(1 - inside / (300 * 400), abs=0.01)
    assert not masks.pen.any()
    assert_disjoint(masks)


def test_a_missing_field_at_the_edge_is_dark_and_an_ink_dot_there_is_pen():
    field, dot = glass(300, 400), glass(300, 400)
    field[:100, :120] = 0
    paint(dot, disc(dot, 20, 0, 50), (20, 20, 20))
    assert find_tissue(field, 8.0).dark.mean() == pytest.approx(0.1, abs=0.005)
    assert not find_tissue(field, 8.0).pen.any()
    assert find_tissue(dot, 8.0).pen.mean() > 0.02
    assert not find_tissue(dot, 8.0).dark.any()


def test_dimming_makes_more_of_a_slide_dark_until_all_is():
    picture = glass(300, 400)
    paint(picture, disc(picture, 150, 150, 60), EOSIN)
    paint(picture, disc(picture, 150, 150, 30), NUCLEI)
    paint(picture, disc(picture, 330, 150, 30), INKS["blue"])
    fractions = []
    for factor in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0):
        masks = find_tissue(np.rint(picture * factor).astype(np.uint8), 8.0)
        assert_disjoint(masks)
        fractions.append(masks.dark.mean())
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert all(less <= more for less, more in pairwise(fractions))
    assert any(0 < fraction < 1 for fraction in fractions)


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (3, 700), (200, 200)])
@pytest.mark.parametrize("mpp", [2.0, 8.0, 32.0])
def test_plain_pictures_hold_no_tissue(grey, size, mpp):
    masks = find_tissue(np.full((*size, 3), grey, np.uint8), mpp)
    assert masks.tissue.shape == masks.pen.shape == masks.dark.shape == size
    assert not masks.tissue.any()
    assert not masks.pen.any()


def test_same_picture_same_masks_and_the_picture_is_left_alone():
    picture = glass(200, 203)
    paint(picture, disc(picture, 100, 100, 40), EOSIN)
    before = picture.copy()
    first, second = find_tissue(picture, 7.3), find_tissue(picture, 7.3)
    assert np.array_equal(first.tissue, second.tissue)
    assert np.array_equal(picture, before)


def test_noisy_glass_is_not_tissue_and_stained_tissue_on_it_is():
    random = np.random.default_rng(2)
    picture = glass(300, 300, (240, 240, 240))
    paint(picture, disc(picture, 150, 150, 60), EOSIN)
    noisy = np.clip(picture + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    inside = disc(picture, 150, 150, 55)
    tissue = find_tissue(noisy, 16.0).tissue
    assert tissue[inside].mean() > 0.95
    assert tissue[~disc(picture, 150, 150, 66)].mean() < 0.02


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.004, 0.006, 0.02])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 1000])
def test_a_threshold_is_raised_by_the_median_of_the_glass(noise, count):
    random = np.random.default_rng(count)
    for _ in range(20):
        values = np.abs(random.normal(noise, noise / 2, (40, 50))).astype(np.float32)
        clear = np.zeros((40, 50), np.bool_)
        clear.ravel()[random.permutation(2000)[:count]] = True
        median = float(np.median(values[clear])) if count else 0.0
        assert _raised(values, clear, 0.012) == pytest.approx(min(max(0.012, 3 * median), 0.024))
