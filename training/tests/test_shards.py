"""Regions go into tar shards and come out the same; the same regions give the same bytes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xmag_train.data.atlas import import_atlas
from xmag_train.data.claim import CLAIM_FILE
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


def test_a_slides_name_may_be_longer_than_a_plain_tar_headers(tmp_path: Path) -> None:
    plain = region(1)
    named = Region(plain.jpeg, plain.meta.model_copy(update={"slide": "胃" * 80}))
    paths = write_shards([named], tmp_path, "test")
    assert list(read_shards(paths)) == [named]
    again = write_shards([named], tmp_path / "again", "test")
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


def make_atlas(folder: Path, cases: list[str], pictures: list[int]) -> None:
    """A corpus of one slide per case; picture i is of the last case that is named up to it."""
    (folder / "regions").mkdir(parents=True)
    columns = "slide\tcase\torgan\tlabel\tstain\tscanner\tmpp"
    rows = [f"{case}__HE\t{case}\tliver\tmalignant\tH&E\tAperio\t0.25" for case in dict.fromkeys(cases)]
    (folder / "slides.tsv").write_text("\n".join([columns, *rows]) + "\n")
    lines = ["file\tslide\tx0\ty0\tside0\ttissue_fraction"]
    for number, (case, picture) in enumerate(zip(cases, pictures, strict=True)):
        (folder / f"regions/{number}.jpg").write_bytes(region(picture).jpeg)
        lines.append(f"regions/{number}.jpg\t{case}__HE\t{7 + number}\t8\t1792\t0.7")
    (folder / "regions.tsv").write_text("\n".join(lines) + "\n")


def test_the_atlas_is_imported_with_case_and_collection(tmp_path: Path) -> None:
    make_atlas(tmp_path, ["BS3"], [1])
    (found,) = read_shards(import_atlas(tmp_path, tmp_path / "out").shards)
    assert (found.key, found.meta.case, found.meta.site) == ("BS3__HE_7_8", "BS3", "saka")
    assert found.jpeg == region(1).jpeg


def test_of_two_regions_of_a_case_that_are_the_same_the_first_is_imported(tmp_path: Path) -> None:
    make_atlas(tmp_path, ["BS3", "BS3", "BS3", "BS4"], [1, 2, 1, 1])
    imported = import_atlas(tmp_path, tmp_path / "out")
    assert imported.duplicates == ["BS3__HE_9_8"]
    kept = [found.key for found in read_shards(imported.shards)]
    assert kept == ["BS3__HE_7_8", "BS3__HE_8_8", "BS4__HE_10_8"]  # another case may look the same


def test_shards_of_another_corpus_or_import_are_not_overwritten(tmp_path: Path) -> None:
    make_atlas(tmp_path / "one", ["BS3"], [1])
    make_atlas(tmp_path / "two", ["BS3", "BS3"], [1, 2])
    (before,) = import_atlas(tmp_path / "one", tmp_path / "out").shards
    content = before.read_bytes()
    assert import_atlas(tmp_path / "one", tmp_path / "out").shards == [before]
    with pytest.raises(ValueError, match=r"regions\.tsv .*choose another folder"):
        import_atlas(tmp_path / "two", tmp_path / "out")
    with pytest.raises(ValueError, match=r"duplicate_correlation 0\.97, now 0\.5"):
        import_atlas(tmp_path / "one", tmp_path / "out", duplicate_correlation=0.5)
    assert before.read_bytes() == content
    (tmp_path / "out" / CLAIM_FILE).unlink()
    with pytest.raises(ValueError, match="do not say by which config"):
        import_atlas(tmp_path / "one", tmp_path / "out")
