"""The masks on every real slide: about the tiles that a person would count, and nothing of glass or ink."""

import numpy as np
import pytest
from PIL import Image

from app.slides.tissue.stain import stain_is_he
from app.slides.tissue.tissue import find_tissue
from tests.realdata.pictures import (
    HE_SLIDES,
    IHC_MPP,
    IHC_SLIDE,
    THUMBNAIL_MPP,
    atlas_thumbnails,
    thumbnail,
    tile_fractions,
)

EXPECTED_TILES = {
    "dev_lusc_he3_40x.svs": (32, 36),
    "dev_lusc_he3_20x.svs": (32, 36),
    "dev_lusc_he2_20x_philips.tiff": (30, 34),
    "dev_crohn_he4_20x_jp2k.svs": (74, 82),
    "dev_pdac_adrenal_he_20x_jp2k.svs": (226, 235),
    "dev_ras_he_30x.svs": (44, 46),
    "fix_cmu1_small_region.svs": (6, 7),
}


@pytest.mark.parametrize("name", EXPECTED_TILES)
def test_tiles_with_tissue_are_as_many_as_expected(slides_dir, name):
    tissue = find_tissue(thumbnail(slides_dir / name, HE_SLIDES[name]), THUMBNAIL_MPP).tissue
    least, most = EXPECTED_TILES[name]
    assert least <= np.count_nonzero(tile_fractions(tissue, THUMBNAIL_MPP) >= 0.10) <= most


def test_pale_immunohistochemistry_is_tissue_too(slides_dir):
    tissue = find_tissue(thumbnail(slides_dir / IHC_SLIDE, IHC_MPP), THUMBNAIL_MPP).tissue
    assert 14 <= np.count_nonzero(tile_fractions(tissue, THUMBNAIL_MPP) >= 0.10) <= 22
    assert not tissue[:, :150].any()  # bands of uneven light on bare glass


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("name", HE_SLIDES)
def test_a_coarser_thumbnail_gives_the_same_mask(slides_dir, name, factor):
    fine = thumbnail(slides_dir / name, HE_SLIDES[name])
    coarse = np.asarray(Image.fromarray(fine).reduce(factor))
    expected = find_tissue(fine, THUMBNAIL_MPP).tissue.mean()
    assert find_tissue(coarse, THUMBNAIL_MPP * factor).tissue.mean() == pytest.approx(expected, rel=0.2)


def test_every_atlas_slide_has_tissue_and_is_he_and_only_the_marked_one_has_ink(slides_dir):
    thumbs = atlas_thumbnails(slides_dir)
    assert len(thumbs) >= 40
    for path in thumbs:
        picture = np.asarray(Image.open(path).convert("RGB"))
        masks = find_tissue(picture, 16.0)
        assert stain_is_he(picture, masks.tissue) is True, path.stem
        assert 0.05 < masks.tissue.mean() < 0.8, path.stem
        assert masks.dark.mean() < 0.002, path.stem
        if path.stem.startswith("ischemia-gangrenous"):
            assert masks.pen[:60, :80].mean() > 0.7
            assert masks.pen[100:, 120:].sum() == 0
        else:
            assert masks.pen.mean() < 0.001, path.stem


def test_fat_of_the_abdominal_wall_is_kept(slides_dir):
    path = next(path for path in atlas_thumbnails(slides_dir) if path.stem == "BS30__HE")
    tissue = find_tissue(np.asarray(Image.open(path).convert("RGB")), 16.0).tissue
    assert tissue[200:330, 60:460].mean() > 0.9  # adipose, seen by eye
    assert tissue[400:430, 550:620].mean() < 0.05  # glass
