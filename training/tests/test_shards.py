"""Regions go into tar shards and come out the same; the same regions give the same bytes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xmag_train.data.atlas import import_atlas
from xmag_train.data.shards import Region, RegionMeta, read_shards, regions_sha256, shards_in, write_shards


def region(number: int, side_px: int = 896) -> Region:
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((side_px, side_px)).save(buffer, "JPEG")
    meta = RegionMeta(
        slide="A.1",
        case=f"case{number % 2}",
        site="s",
        organ="liver",
        label="malignant",
        stain="H&E",
        scanner="Aperio",
        mpp=0.25,
        x0=number,
        y0=0,
        side0=1792,
        tissue_fraction=0.9,
    )
    return Region(buffer.getvalue(), meta)


def test_written_and_read_are_the_same(tmp_path: Path) -> None:
    regions = [region(number) for number in range(5)]
    paths = write_shards(regions, tmp_path, "test", per_shard=2)
    assert [path.name for path in paths] == [f"test-{number:06d}.tar" for number in range(3)]
    assert shards_in(tmp_path) == paths
    assert list(read_shards(paths)) == regions
    again = write_shards(regions, tmp_path / "again", "test", per_shard=2)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_the_digest_depends_on_pixels_and_not_on_order() -> None:
    regions = [region(number) for number in range(3)]
    assert regions_sha256(regions) == regions_sha256(regions[::-1])
    assert regions_sha256(regions) != regions_sha256(regions[:2])


def test_a_region_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not 896"):
        region(1, side_px=448).pixels()


def test_no_shards_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="xmag-train curate"):
        shards_in(tmp_path)


def test_the_atlas_is_imported_with_case_and_collection(tmp_path: Path) -> None:
    (tmp_path / "regions").mkdir()
    (tmp_path / "regions/a.jpg").write_bytes(region(1).jpeg)
    slide_columns = "slide\tcase\torgan\tlabel\tstain\tscanner\tmpp"
    (tmp_path / "slides.tsv").write_text(f"{slide_columns}\nBS3__HE\tBS3\tliver\tmalignant\tH&E\tAperio\t0.25\n")
    (tmp_path / "regions.tsv").write_text(
        "file\tslide\tx0\ty0\tside0\ttissue_fraction\nregions/a.jpg\tBS3__HE\t7\t8\t1792\t0.7\n"
    )
    (found,) = read_shards(import_atlas(tmp_path, tmp_path / "out"))
    assert (found.key, found.meta.case, found.meta.site) == ("BS3__HE_7_8", "BS3", "saka")
    assert found.jpeg == region(1).jpeg
