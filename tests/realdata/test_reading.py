"""Every real slide through the reader process."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import MppImplausibleError, MppMissingError, SlideCorruptError
from app.slides.formats.hashing import hash_slide
from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan

PLAN = ReadingPlan()
SLIDES = [  # name, requested mpp, mpp, source, least and most tissue tiles
    ("dev_lusc_he3_40x.svs", None, 0.2630, "file", 30, 38),
    ("dev_lusc_he3_20x.svs", None, 0.5260, "file", 30, 38),
    ("dev_lusc_he3_20x_dicom", None, 0.5260, "file", 30, 38),
    ("dev_lusc_he2_20x_philips.tiff", None, 0.526036, "file", 28, 36),
    ("dev_crohn_he4_20x_jp2k.svs", None, 0.5260, "file", 70, 85),
    ("dev_ras_he_30x.svs", None, 0.3612, "file", 40, 50),
    ("dev_ck7p40_ihc_20x.svs", None, 0.5056, "file", 12, 22),
    ("dev_tubadenoma_he_nomag_generic.tiff", 0.5, 0.5, "request", 15, 26),
    ("fix_cmu1_small_region.svs", None, 0.499, "file", 6, 8),
    ("fix_cmu1_small_region_dicom", None, 0.499, "file", 6, 8),
]


@pytest.fixture(scope="module")
def reader():
    with SlideReader() as reader:
        yield reader


@pytest.mark.parametrize(("name", "requested", "mpp", "source", "least", "most"), SLIDES)
def test_every_slide_is_opened_surveyed_and_its_tiles_hold_tissue(
    slides_dir: Path, reader: SlideReader, name, requested, mpp, source, least, most
):
    info = reader.open(slides_dir / name, requested)
    assert (info.mpp, info.mpp_source) == (pytest.approx(mpp), source)
    survey = reader.survey(PLAN)
    assert least <= len(survey.coords) <= most
    count = 0
    for batch in reader.tiles(16):
        if batch.start == 0:
            first = batch.tiles.copy()
        count += len(batch.tiles)
    assert count == len(survey.coords)
    # Tissue takes light away: the fuller a tile is, the darker. Tiles of the wrong place would not obey.
    fullness = survey.tissue_fractions[: len(first)]
    brightness = first.mean(axis=(1, 2, 3))
    assert brightness[fullness > 0.9].mean() < 235 and first.std(axis=(1, 2, 3)).min() > 3
    assert np.corrcoef(fullness, brightness)[0, 1] < -0.5


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("dev_tubadenoma_crop_vips_bogus_mpp1000.tiff", MppImplausibleError),
        ("dev_tubadenoma_he_nomag_generic.tiff", MppMissingError),
        ("fix_tcga_cr_7395_ts1_nomag.svs", MppMissingError),
    ],
)
def test_a_slide_without_a_believable_resolution_is_refused(slides_dir: Path, reader: SlideReader, name, error):
    with pytest.raises(error, match="as mpp"):
        reader.open(slides_dir / name)


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize(
    "name", ["fix_cmu1_small_region.svs", "fix_tcga_cr_7395_ts1_nomag.svs", "dev_lusc_he2_20x_philips.tiff"]
)
def test_a_truncated_slide_is_called_corrupt(slides_dir: Path, tmp_path: Path, reader: SlideReader, name, share):
    data = (slides_dir / name).read_bytes()
    (tmp_path / "cut.svs").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SlideCorruptError) as caught:
        reader.open(tmp_path / "cut.svs", 0.5)
    assert str(tmp_path) not in caught.value.message and "cut.svs" not in caught.value.message


def test_a_dicom_file_stands_for_its_folder(slides_dir: Path, reader: SlideReader):
    folder = slides_dir / "dev_lusc_he3_20x_dicom"
    of_folder = reader.open(folder)
    assert all(reader.open(file) == of_folder for file in sorted(folder.iterdir()))
    digest, size = hash_slide(folder)
    assert size == sum(file.stat().st_size for file in folder.iterdir()) and len(digest) == 64


def test_the_mpp_of_a_request_rules(slides_dir: Path, reader: SlideReader):
    info = reader.open(slides_dir / "dev_tubadenoma_crop_vips_bogus_mpp1000.tiff", 0.25)
    assert info.mpp == 0.25
    assert [level.downsample for level in info.levels] == [1, 2, 4, 8, 16]
