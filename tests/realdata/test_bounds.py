"""A slide whose scanner looked at a part of the glass only: real tissue, in a Leica SCN file made for this test.

QuPath opens such a slide cropped to `openslide.bounds-*`; here that crop is the array the file was written from.
"""

import io

import numpy as np
import openslide
import pytest
from PIL import Image

from tests.realdata.pictures import _needed
from tests.slides.make_scn import write_scn

MPP, GLASS, AT = 0.526, (8000, 6000), (2600, 1900)


@pytest.fixture(scope="module")
def tissue_pixels(slides_dir):
    """uint8 [2800, 3600, 3] of a lung biopsy at 20x."""
    with openslide.OpenSlide(_needed(slides_dir / "dev_lusc_he3_20x.svs")) as slide:
        return np.asarray(slide.read_region((1700, 900), 0, (3600, 2800)).convert("RGB"))


@pytest.fixture(scope="module")
def job(service, tissue_pixels, tmp_path_factory):
    """The finished job of the slide with bounds; its objective alone would say 0.5 µm/px."""
    path = write_scn(tmp_path_factory.mktemp("scn") / "bounds.scn", tissue_pixels, MPP, GLASS, AT)
    done = service.wait(service.submit(path, mpp=str(MPP)))
    assert done["state"] == "succeeded", done["error"]
    return done


def squares_of(service, job, origin):
    answer = service.http.get(job["links"]["attention"], params={"origin": origin}).json()
    corners = [feature["geometry"]["coordinates"][0] for feature in answer["features"]]
    return answer["origin_px"], np.array([[*square[0], *square[2]] for square in corners])


def test_the_result_tells_the_scanners_bounds(service, job):
    slide = service.http.get(job["links"]["result"]).json()["slide"]
    assert (slide["vendor"], slide["width_px"], slide["height_px"]) == ("leica", *GLASS)
    assert slide["bounds"] == {"x0": AT[0], "y0": AT[1], "width": 3600, "height": 2800}


def test_the_two_frames_differ_by_the_bounds(service, job):
    origin, in_bounds = squares_of(service, job, "bounds")
    whole, in_image = squares_of(service, job, "image")
    assert (origin, whole) == (list(AT), [0, 0])
    np.testing.assert_array_equal(in_image - in_bounds, np.tile([*AT, *AT], (len(in_image), 1)))
    assert len(in_bounds) >= 10


def test_squares_lie_on_their_tissue_in_the_crop_that_qupath_shows(service, job, tissue_pixels):
    _, squares = squares_of(service, job, "bounds")
    crop = Image.fromarray(tissue_pixels)
    beside = []
    for top in service.http.get(job["links"]["result"]).json()["top_tiles"]:
        answer = service.http.get(f"/jobs/{job['id']}/top_tiles/{top['rank']}.jpg")
        seen = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"), dtype=float)
        x0, y0, x1, y1 = squares[top["index"]].tolist()
        inside = max(x0, 0), max(y0, 0), min(x1, crop.width), min(y1, crop.height)
        scale = 224 / (x1 - x0)
        part = [round((value - start) * scale) for value, start in zip(inside, (x0, y0, x0, y0), strict=True)]
        shown = crop.crop(inside).resize((part[2] - part[0], part[3] - part[1]), Image.Resampling.LANCZOS).convert("L")
        beside.append(np.corrcoef(np.asarray(shown).ravel(), seen[part[1] : part[3], part[0] : part[2]].ravel())[0, 1])
    assert len(beside) == 10
    assert min(beside) > 0.85  # the model saw it through other filters; elsewhere on the slide it is near 0
