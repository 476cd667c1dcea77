"""Slides that are not as most are, through the whole service: refused by name, or analysed with a warning."""

from functools import partial

from app.warning import code_of
from tests.slides.make_tiff import page, write_tiff
from tests.slides.pixels import jpeg
from tests.tissue import paint_tissue

TISSUE = paint_tissue(900, 900)
JPEG_OF_RGB = {259: 7, 262: 2}


def test_an_unsupported_kind_is_named_at_the_request(api, tmp_path):
    before = api.job_folders()
    answer = api.post(write_tiff(tmp_path / "s.tif", [page(TISSUE, {259: 50001})]), mpp="2")
    assert (answer.status_code, answer.json()["code"]) == (422, "slide_unsupported")
    assert "WebP" in answer.json()["detail"] and "Convert" in answer.json()["detail"]
    assert api.job_folders() == before


def test_a_dark_background_fails_the_job_with_its_reason(service, tmp_path):
    answer = service.post(write_tiff(tmp_path / "s.tif", [page(255 - TISSUE)]), mpp="2")
    over = service.wait(answer.json()["id"])
    assert (over["state"], over["error"]["code"]) == ("failed", "slide_unsupported")


def test_corrected_colours_and_left_out_scenes_stand_in_the_result(service, tmp_path):
    results = []
    images = "".join(f'<Image><Pixels SizeX="{side}" SizeY="900" SizeZ="3"/></Image>' for side in (900, 800))
    xml = f"<OME>{images}</OME>".encode() + b"\0"
    for name, tags in (("true.tif", {259: 7, 262: 6}), ("odd.tif", {**JPEG_OF_RGB, 270: xml})):
        answer = service.post(write_tiff(tmp_path / name, [page(TISSUE, tags, partial(jpeg, quality=95))]), mpp="2")
        over = service.wait(answer.json()["id"])
        results.append(service.http.get(over["links"]["result"]).json())
    (true, odd), odd_codes = results, [code_of(warning) for warning in results[1]["warnings"]]
    assert {"colours_corrected", "part_left_out"} <= {*odd_codes}
    assert not {"colours_corrected", "part_left_out"} & {code_of(warning) for warning in true["warnings"]}
    assert odd["tiling"] == true["tiling"]
    ours, theirs = (found["predictions"][0]["probabilities"] for found in (odd, true))
    assert all(abs(ours[label] - theirs[label]) < 0.02 for label in ours)
