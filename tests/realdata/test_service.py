"""Every real slide through POST, on the real service."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from tests.service import Service

# What the committed head was trained on.
BAG_TILES = (5, 14)
# slide → (fields, 5x tissue tiles at least and at most)
ANALYSED = {
    "dev_lusc_he3_40x.svs": ({}, 30, 38),
    "dev_lusc_he3_20x.svs": ({}, 30, 38),
    "dev_lusc_he3_20x_dicom": ({}, 30, 38),
    "dev_lusc_he2_20x_philips.tiff": ({}, 28, 36),
    "dev_crohn_he4_20x_jp2k.svs": ({}, 70, 86),
    "dev_pdac_adrenal_he_20x_jp2k.svs": ({}, 220, 242),
    "dev_ras_he_30x.svs": ({}, 40, 50),
    "dev_ck7p40_ihc_20x.svs": ({}, 12, 24),
    "dev_tubadenoma_he_nomag_generic.tiff": ({"mpp": "0.5"}, 14, 28),
    "fix_cmu1_small_region.svs": ({}, 5, 8),
    "fix_cmu1_small_region_dicom": ({}, 5, 8),
    "fix_tcga_cr_7395_ts1_nomag.svs": ({"mpp": "0.5"}, 8, 20),
}
REFUSED = {
    "dev_tubadenoma_crop_vips_bogus_mpp1000.tiff": "mpp_implausible",
    "dev_tubadenoma_he_nomag_generic.tiff": "mpp_missing",
    "fix_tcga_cr_7395_ts1_nomag.svs": "mpp_missing",
}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory, slides_dir):
    service = Service(tmp_path_factory.mktemp("hospital"), slide_roots=slides_dir).start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module")
def analysed(hospital, slides_dir, tmp_path_factory):
    """Name → finished job, all of them posted before the first is over."""
    folder = tmp_path_factory.mktemp("zips")
    ids = {}
    for name, (fields, _, _) in ANALYSED.items():
        path = slides_dir / name
        if path.is_dir():
            path = zipped(path, folder / f"{name}.zip")
        ids[name] = hospital.submit(path, **fields)
    return {name: hospital.wait(job_id, timeout_s=150) for name, job_id in ids.items()}


def zipped(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"slide/{file.name}")
    return target


def result_of(hospital, job):
    return hospital.http.get(job["links"]["result"]).json()


def embeddings_of(hospital, job):
    with h5py.File(io.BytesIO(hospital.http.get(job["links"]["embeddings"]).content)) as file:
        return file["coords"][:], file["features"][:]


@pytest.mark.parametrize("name", list(ANALYSED))
def test_a_real_slide_gives_a_result(hospital, analysed, name):
    job = analysed[name]
    assert job["state"] == "succeeded", job["error"]
    result = result_of(hospital, job)
    _, least, most = ANALYSED[name]
    assert least <= result["tiling"]["tissue_tiles"] <= most
    is_ihc = "ihc" in name
    assert any(w.startswith("stain_not_he") for w in result["warnings"]) is is_ihc
    fits = BAG_TILES[0] <= result["tiling"]["tissue_tiles"] <= BAG_TILES[1]
    assert any(w.startswith("bag_size_out_of_range") for w in result["warnings"]) is not fits
    assert result["predictions"][0]["in_domain"] is (fits and not is_ihc)
    if not is_ihc:
        assert result["qc"]["warnings"] == []


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_does_not_say_its_resolution_is_refused(hospital, slides_dir, name):
    before = hospital.job_folders()
    answer = hospital.post(slides_dir / name)
    assert (answer.status_code, answer.json()["code"]) == (422, REFUSED[name])
    assert "mpp" in answer.json()["detail"]
    assert hospital.job_folders() == before


def test_a_slide_and_its_dicom_twin_give_the_same_tiles_and_alike_embeddings(hospital, analysed):
    one, other = analysed["dev_lusc_he3_20x.svs"], analysed["dev_lusc_he3_20x_dicom"]
    (coords, ours), (coords_dicom, theirs) = embeddings_of(hospital, one), embeddings_of(hospital, other)
    np.testing.assert_array_equal(coords, coords_dicom)
    # Read from the 4x level, directly here and by OpenSlide there: up to an eighth of that level's pixel apart.
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.median(cosines) >= 0.998
    assert cosines.min() >= 0.99
    scores = [result_of(hospital, job)["predictions"][0]["probabilities"]["malignant"] for job in (one, other)]
    assert abs(scores[0] - scores[1]) <= 0.01


def test_a_recompressed_dicom_twin_gives_the_same_tiles(hospital, analysed):
    ours, _ = embeddings_of(hospital, analysed["fix_cmu1_small_region.svs"])
    theirs, _ = embeddings_of(hospital, analysed["fix_cmu1_small_region_dicom"])
    np.testing.assert_array_equal(ours, theirs)


def test_the_same_tissue_at_40x_and_20x_gives_the_same_grid_and_alike_embeddings(hospital, analysed):
    coords40, features40 = embeddings_of(hospital, analysed["dev_lusc_he3_40x.svs"])
    coords20, features20 = embeddings_of(hospital, analysed["dev_lusc_he3_20x.svs"])
    at40 = {tuple(np.round(c / 1703.42).astype(int)): f for c, f in zip(coords40, features40, strict=True)}
    at20 = {tuple(np.round(c / 851.71).astype(int)): f for c, f in zip(coords20, features20, strict=True)}
    common = sorted(at40.keys() & at20.keys())
    assert len(common) >= 0.95 * max(len(at40), len(at20))
    cosines = [at40[k] @ at20[k] / np.linalg.norm(at40[k]) / np.linalg.norm(at20[k]) for k in common]
    assert np.median(cosines) >= 0.97


def test_a_dicom_folder_by_path_is_read_in_place(hospital, slides_dir, analysed):
    body = {"source": {"type": "path", "path": str(slides_dir / "fix_cmu1_small_region_dicom")}}
    job = hospital.wait(hospital.http.post("/analyze", json=body).json()["id"])
    assert job["state"] == "succeeded"
    uploaded = result_of(hospital, analysed["fix_cmu1_small_region_dicom"])
    assert result_of(hospital, job)["slide"]["sha256"] == uploaded["slide"]["sha256"]


def test_nothing_of_label_or_macro_is_kept(hospital, analysed):
    folder = hospital.data_dir / "jobs" / analysed["fix_cmu1_small_region.svs"]["id"] / "attempt-1"
    names = {path.name for path in folder.iterdir()}
    tops = result_of(hospital, analysed["fix_cmu1_small_region.svs"])["top_tiles"]
    assert tops
    assert names == {
        "result.json", "heatmap.png", "overlay.png", "attention.geojson", "embeddings.h5", "tissue_mask.png",
        "qc_mask.png", "thumbnail.jpg", *(f"top_tile_{top['rank']:02}.jpg" for top in tops),
    }  # fmt: skip


def test_a_resolution_other_than_the_files_is_said(hospital, slides_dir):
    job = hospital.wait(hospital.submit(slides_dir / "fix_cmu1_small_region.svs", mpp="0.25"))
    result = result_of(hospital, job)
    assert (result["slide"]["mpp"], result["slide"]["mpp_file"]) == (0.25, 0.499)
    assert any(warning.startswith("mpp_differs") for warning in result["warnings"])
