"""Levels of slides as scanners and converters wrote them: each is kept, with the whole number that was meant."""

from pathlib import Path

import openslide
import pytest

from app.slides.formats.opening import open_slide

LEVELS = {
    "dev_ck7p40_ihc_20x.svs": (1, 4, 16),
    "dev_crohn_he4_20x_jp2k.svs": (1, 4, 16),
    "dev_lusc_he2_20x_philips.tiff": (1, 2, 4, 8, 16),
    "dev_lusc_he3_20x.svs": (1, 4, 16),
    "dev_lusc_he3_20x_dicom": (1, 4, 16),
    "dev_lusc_he3_40x.svs": (1, 4, 16),
    "dev_pdac_adrenal_he_20x_jp2k.svs": (1, 4, 16),
    "dev_ras_he_30x.svs": (1, 4, 16),
    "dev_tubadenoma_crop_vips_bogus_mpp1000.tiff": (1, 2, 4, 8, 16),
    "dev_tubadenoma_he_nomag_generic.tiff": (1, 2, 4, 8, 16),
    "fix_cmu1_small_region.svs": (1,),
    "fix_cmu1_small_region_dicom": (1, 2, 4, 8),
    "fix_tcga_cr_7395_ts1_nomag.svs": (1, 2),
}


def test_every_slide_is_here(slides_dir: Path):
    assert {path.name for path in slides_dir.iterdir()} == set(LEVELS)


@pytest.mark.parametrize(("name", "downsamples"), LEVELS.items())
def test_all_levels_are_kept(slides_dir: Path, name, downsamples):
    path = slides_dir / name
    with (
        open_slide(path, 0.5) as opened,
        openslide.OpenSlide(sorted(path.iterdir())[0] if path.is_dir() else path) as theirs,
    ):
        assert tuple(level.downsample for level in opened.info.levels) == downsamples
        assert tuple((level.width, level.height) for level in opened.info.levels) == theirs.level_dimensions
        assert [level.number for level in opened.info.levels] == list(range(theirs.level_count))
