from pathlib import Path

import h5py
import numpy as np
import pytest

from app.results.files.hdf5 import write_embeddings
from tests.results.make_result import MANIFEST_SHA256, SLIDE_SHA256, Recipe, make_result


def test_datasets_have_the_shapes_types_and_values_of_the_contract(tmp_path: Path) -> None:
    result = make_result(Recipe(attention_kind="per_class", tile_scores=True))
    write_embeddings(result, tmp_path / "e.h5")
    with h5py.File(tmp_path / "e.h5") as file:
        assert (file["features"].shape, file["features"].dtype) == ((12, 8), np.float32)
        assert (file["coords"].shape, file["coords"].dtype) == ((12, 2), np.int64)
        assert (file["features"][:] == result.features).all()
        assert (file["coords"][:] == result.coords).all()
        assert (file["attention/mil"][:] == result.heads[0].attention).all()
        assert (file["tile_scores/mil"][:] == result.heads[0].tile_scores).all()
        assert list(file["attention/mil"].attrs["labels"]) == ["normal", "tumour"]
        assert (file["tissue_fractions"][:] == result.tissue_fractions).all()


def test_coords_carry_the_attributes_that_trident_reads_and_ours(tmp_path: Path) -> None:
    write_embeddings(make_result(), tmp_path / "e.h5")
    with h5py.File(tmp_path / "e.h5") as file:
        attributes = dict(file["coords"].attrs)
        statement = file.attrs["statement"]
    assert attributes == {
        "patch_size": 224,
        "patch_size_level0": 851,
        "level0_magnification": pytest.approx(10 / 0.526),
        "target_magnification": 5.0,
        "overlap": 0,
        "name": SLIDE_SHA256[:16],
        "savetodir": "",
        "level0_width": 4259,
        "level0_height": 3407,
        "mpp": 0.526,
        "model": "xmag-lite0 0.1.0",
        "model_manifest_sha256": MANIFEST_SHA256,
        "student_sha256": "b" * 64,
        "sha256": SLIDE_SHA256,
    }
    # TRIDENT derives the patch's extent at level 0 from the ratio of magnifications
    extent = attributes["patch_size"] * attributes["level0_magnification"] / attributes["target_magnification"]
    assert 0 <= extent - attributes["patch_size_level0"] < 1
    assert "Not a diagnosis." in statement


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_embeddings(make_result(), tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_shared_attention_has_no_labels_and_none_has_no_dataset(tmp_path: Path) -> None:
    write_embeddings(make_result(), tmp_path / "shared.h5")
    write_embeddings(make_result(Recipe(attention_kind="none")), tmp_path / "none.h5")
    with h5py.File(tmp_path / "shared.h5") as shared, h5py.File(tmp_path / "none.h5") as none:
        assert "labels" not in shared["attention/mil"].attrs
        assert shared["attention/mil"][:].sum() == pytest.approx(1, abs=1e-6)
        assert set(none) == {"features", "coords", "tissue_fractions", "sharpness"}
