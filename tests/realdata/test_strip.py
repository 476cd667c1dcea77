"""`xmag strip` on slides as scanners wrote them."""

import os
import subprocess
import sys

import numpy as np
import openslide
import pytest

from tests.service import ROOT


def strip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", "strip", *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=False, env=os.environ.copy(), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(("name", "images"), [("fix_cmu1_small_region.svs", 3), ("fix_tcga_cr_7395_ts1_nomag.svs", 1)])
def test_a_copy_has_the_same_pixels_and_neither_label_nor_macro(slides_dir, tmp_path, name, images):
    copy = tmp_path / "copy.svs"
    done = strip(str(slides_dir / name), "--out", str(copy))
    assert done.returncode == 0, done.stderr
    with openslide.OpenSlide(slides_dir / name) as before, openslide.OpenSlide(copy) as after:
        assert len(before.associated_images) == images
        assert dict(after.associated_images) == {}
        assert after.level_dimensions == before.level_dimensions
        assert after.properties.get("openslide.mpp-x") == before.properties.get("openslide.mpp-x")
        assert after.properties.get("openslide.icc-size") == before.properties.get("openslide.icc-size")
        assert not {"aperio.Filename", "aperio.User", "aperio.Date", "aperio.ImageID"} & set(after.properties)
        for level, size in enumerate(before.level_dimensions):
            pictures = [np.asarray(slide.read_region((0, 0), level, size)) for slide in (before, after)]
            assert np.array_equal(*pictures)


def test_other_formats_are_refused(slides_dir, tmp_path):
    done = strip(str(slides_dir / "dev_lusc_he2_20x_philips.tiff"), "--out", str(tmp_path / "copy.tiff"))
    assert done.returncode == 1
    assert "Only SVS" in done.stderr
    assert list(tmp_path.iterdir()) == []
