"""What a viewer lays over the slide, against what the result's own files say."""

import io
from dataclasses import replace

import h5py
import numpy as np
import openslide
import pytest
from PIL import Image

from app.results.percentile import percentiles
from app.results.pictures.colour_map import colours
from tests.api.answers import check_problem
from tests.in_process import AS_THE_MODEL


@pytest.fixture(scope="module")
def analysed(service, tissue):
    """A job that a worker finished."""
    return service.wait(service.submit(tissue))


@pytest.fixture(scope="module")
def job(api, tissue):
    """A job with a made-up result; some of its tiles are glass."""
    return api.job(api.done(tissue, recipe=replace(AS_THE_MODEL, least_tissue=0.1)))


def picture(service, path):
    answer = service.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


@pytest.fixture(scope="module")
def tiles(api, job):
    """coords [N, 2], attention [N], the scores [N] for malignant, and which tiles are tissue rather than glass [N]."""
    with h5py.File(io.BytesIO(api.http.get(job["links"]["embeddings"]).content)) as file:
        malignant = list(file["tile_scores/malignancy"].attrs["labels"]).index("malignant")
        scores = file["tile_scores/malignancy"][:, malignant]
        return file["coords"][:], file["attention/malignancy"][0], scores, file["tissue_fractions"][:] >= 0.3


def test_every_layer_that_is_listed_covers_the_slide_and_says_what_it_is(service, analysed):
    found = service.http.get(analysed["links"]["layers"]).json()
    assert [layer["kind"] for layer in found] == ["class", "class", "attention", "tissue", "qc"]
    assert [layer["label"] for layer in found[:2]] == ["malignant", "not_malignant"]
    sizes = set()
    for layer in found:
        assert layer["note"].endswith(".")
        pixels = picture(service, layer["url"])
        sizes.add(pixels.shape)
    assert sizes == {(225, 225, 4)}  # 900 px at 2 µm/px, seen at 8 µm/px
    attention = found[2]
    assert "not where tumour is" in attention["note"]
    assert attention["label"] is None
    assert (attention["legend"]["low"], attention["legend"]["high"]) == (0, 100)
    assert set(attention["legend"]["palettes"]) == {"viridis", "cividis", "inferno"}
    assert [entry["label"] for entry in found[4]["legend"]["entries"]][:2] == ["ink", "black, fold or dirt"]


@pytest.mark.parametrize("quantity", ["attention", None])
@pytest.mark.parametrize(("scale", "palette"), [("percentile", "cividis"), ("raw", "viridis"), ("raw", "inferno")])
def test_each_tile_has_the_colour_of_its_place(api, job, tiles, palette, scale, quantity):
    coords, attention, malignant, is_tissue = tiles
    query = f"layer=overlay&scale={scale}&palette={palette}&opacity=100" + (f"&quantity={quantity}" if quantity else "")
    pixels = picture(api, f"/jobs/{job['id']}/heatmap.png?{query}")
    values = (attention if quantity else malignant)[is_tissue]
    places = percentiles(values)
    if scale == "raw":
        places = (values - values.min()) / (values.max() - values.min()) * 100
    glass = ((coords[~is_tissue] + 112) // 4).clip(max=224)
    assert not pixels[glass[:, 1], glass[:, 0], 3].any()
    middles = (coords[is_tissue] + 112) // 4
    inside = (middles < 225).all(axis=1)
    got = pixels[middles[inside, 1], middles[inside, 0]]
    assert inside.sum() > 5
    np.testing.assert_array_equal(got[:, 3], 255)
    assert np.abs(got[:, :3].astype(int) - colours(places.astype(np.float32), palette)[inside]).max() <= 4


def test_the_plain_overlay_is_the_stored_one(api, job):
    plain = picture(api, f"/jobs/{job['id']}/heatmap.png?layer=overlay")
    said = picture(api, f"/jobs/{job['id']}/heatmap.png?layer=overlay&scale=percentile&palette=viridis")
    np.testing.assert_array_equal(plain, said)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("layer=overlay&palette=rainbow", "request_invalid"),
        ("layer=overlay&scale=log", "request_invalid"),
        ("layer=overlay&class=malignant&quantity=attention", "request_invalid"),
        ("layer=overlay&quantity=odds", "request_invalid"),
        ("layer=overlay&class=none&quantity=tile_scores", "task_not_found"),
        ("layer=overlay&opacity=0", "request_invalid"),
        ("layer=overlay&colour=red", "request_invalid"),
        ("scale=raw", "request_invalid"),
        ("layer=overlay&scale=raw&task=none", "task_not_found"),
    ],
)
def test_what_cannot_be_drawn_is_refused(api, job, query, code):
    check_problem(api.http.get(f"/jobs/{job['id']}/heatmap.png?{query}"), 422, code)


def test_tissue_is_what_the_mask_says(api, job):
    mask = picture(api, job["links"]["tissue_mask"])
    layer = picture(api, f"/jobs/{job['id']}/tissue.png")
    np.testing.assert_array_equal(layer[..., 3] > 0, mask > 0)


def test_top_tiles_are_pixels_of_the_slide(service, analysed, tissue):
    result = service.http.get(analysed["links"]["result"]).json()
    with openslide.OpenSlide(tissue) as slide:
        for top in result["top_tiles"][:3]:
            shown = picture(service, f"/jobs/{analysed['id']}/top_tiles/{top['rank']}.jpg")
            region = slide.read_region((top["x0"], top["y0"]), 0, (224, 224)).convert("RGB")
            assert shown.shape == (224, 224, 3)
            assert np.abs(shown.astype(int) - np.asarray(region)).mean() < 4
    for rank in (0, len(result["top_tiles"]) + 1):
        check_problem(service.http.get(f"/jobs/{analysed['id']}/top_tiles/{rank}.jpg"), 404, "layer_not_found")


def test_the_thumbnail_shows_the_whole_slide(service, analysed):
    assert picture(service, f"/jobs/{analysed['id']}/thumbnail.jpg").shape == (225, 225, 3)


def test_reading_a_layer_stands_in_the_audit_log(api, job):
    api.http.get(f"/jobs/{job['id']}/top_tiles/1.jpg")
    assert '"top_tiles/1.jpg"' in (api.data_dir / "audit.jsonl").read_text().splitlines()[-1]


def test_a_job_without_a_result_has_no_layers(api, slide_root):
    job_id = api.submit(slide_root / "blank.svs")
    api.find_no_tissue(job_id)
    for name in ("layers", "tissue.png", "qc.png", "thumbnail.jpg", "top_tiles/1.jpg", "heatmap.png?scale=raw"):
        check_problem(api.http.get(f"/jobs/{job_id}/{name}"), 409, "result_not_ready")
