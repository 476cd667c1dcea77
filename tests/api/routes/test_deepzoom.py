"""The slide through the viewer's routes: pixels, who may see them, and what happens when the slide goes."""

import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import openslide
import pytest
from openslide.deepzoom import DeepZoomGenerator
from PIL import Image

from tests.api.answers import check_problem
from tests.api.test_audit import entries
from tests.service import until
from tests.slides.formats.colours.test_mislabelled import silent, ycbcr_jpeg
from tests.slides.make_tiff import page, write_tiff
from tests.tissue import paint_tissue, tissue_slide


@pytest.fixture(scope="module")
def seen(api, tissue):
    """A job whose slide is looked at."""
    return api.done(tissue)


def picture(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)


def test_descriptor_and_tiles_are_openslides_own(api, seen, tissue):
    generator = DeepZoomGenerator(openslide.OpenSlide(tissue), tile_size=254, overlap=1)
    links = api.job(seen)["links"]
    answer = api.http.get(links["slide"])
    assert answer.headers["content-type"] == "application/xml"
    for word in ('TileSize="254"', 'Overlap="1"', 'Format="jpg"', 'Width="900"', 'Height="900"'):
        assert word in answer.text
    for level, (columns, rows) in enumerate(generator.level_tiles):
        for column, row in {(0, 0), (columns - 1, 0), (columns // 2, rows - 1)}:
            mine = picture(api.http.get(f"/jobs/{seen}/slide_files/{level}/{column}_{row}.jpg"))
            theirs = np.asarray(generator.get_tile(level, (column, row)).convert("RGB")).astype(int)
            assert mine.shape == theirs.shape
            if level >= 8:  # painted noise depends on the filter, so that 8 x 8 px are compared
                assert np.abs(blocks(mine) - blocks(theirs)).max() < 6, (level, column, row)
            if level == 10:
                assert np.abs(mine - theirs).mean() < 3, (column, row)


def test_a_slide_in_wrong_colours_is_not_shown(service, tmp_path):
    """As the analysis refuses it. Its tiles are YCbCr without a word of it, and its header says RGB."""
    one = page(paint_tissue(1200, 900), {259: 7, 262: 2}, lambda tile: silent(ycbcr_jpeg(tile)))
    job_id = service.submit(write_tiff(tmp_path / "s.tif", [one]), mpp="1.0")
    job = service.wait(job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "slide_unsupported")
    for address in (f"/jobs/{job_id}/slide.dzi", f"/jobs/{job_id}/slide_files/8/0_0.jpg"):
        told = check_problem(service.http.get(address), 422, "slide_unsupported")
        assert told["detail"] == job["error"]["message"]


def blocks(pixels: np.ndarray) -> np.ndarray:
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    return pixels[:height, :width].reshape(height // 8, 8, width // 8, 8, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("place", ["11/0_0", "10/4_0", "10/0_4", "9/2_0"])
def test_there_are_no_other_tiles(api, seen, place):
    check_problem(api.http.get(f"/jobs/{seen}/slide_files/{place}.jpg"), 404, "not_found")


def test_odd_addresses(api, seen):
    for place in ("-1/0_0", "x/0_0", "9/0_0.5", "9/99999999999_0"):
        assert api.http.get(f"/jobs/{seen}/slide_files/{place}.jpg").status_code == 422
    unknown = "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"
    for name in ("slide.dzi", "slide_files/9/0_0.jpg"):
        check_problem(api.http.get(f"/jobs/{unknown}/{name}"), 404, "job_not_found")


def test_a_browser_asks_again_and_is_told_that_nothing_changed(api, seen):
    path = f"/jobs/{seen}/slide_files/9/0_0.jpg"
    first = api.http.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    again = api.http.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.http.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_who_looks_stands_in_the_audit_log_once_and_others_see_nothing(guarded_api, tmp_path):
    service, lab, viewer = guarded_api.service, guarded_api.keys["lab"], guarded_api.keys["viewer"]
    job_id = service.post(tissue_slide(tmp_path / "s.svs"), lab).json()["id"]
    for name in ("slide.dzi", "slide_files/9/0_0.jpg", "slide_files/9/1_0.jpg"):
        path = f"/jobs/{job_id}/{name}"
        assert service.http.get(path, headers=viewer).status_code == 200
        check_problem(service.http.get(path, headers=guarded_api.keys["other"]), 404, "job_not_found")
        check_problem(service.http.get(path), 401, "unauthenticated")
    looks = [entry for entry in entries(service.data_dir) if entry["job"] == job_id and entry["action"] == "slide.view"]
    assert [entry["who"] for entry in looks] == ["key:viewer"]
    service.succeed(job_id)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are listed in /proc, which Linux has")
def test_an_erased_slide_is_gone_at_once_with_the_process_that_showed_it(service, tissue):
    job_id = service.submit(tissue)
    service.wait(job_id)
    tile, before = f"/jobs/{job_id}/slide_files/9/0_0.jpg", children(service.pid("api"))
    etag = service.http.get(tile).headers["etag"]
    showing = children(service.pid("api")) - before
    assert len(showing) == 1
    assert service.http.delete(f"/jobs/{job_id}").status_code == 200
    for path in (tile, f"/jobs/{job_id}/slide.dzi"):
        check_problem(service.http.get(path, headers={"If-None-Match": etag}), 410, "job_erased")
    until(lambda: not showing & children(service.pid("api")))


def children(parent: int) -> set[int]:
    """Processes started by ``parent`` that still run."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, father = (process / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # ended meanwhile
            continue
        if int(father) == parent and state != "Z":
            found.add(int(process.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are listed in /proc, which Linux has")
def test_the_page_opens_the_slide_ahead_for_those_who_may_see_it(guarded, tmp_path):
    service, lab = guarded.service, guarded.keys["lab"]
    job_id = service.post(tissue_slide(tmp_path / "s.svs"), lab).json()["id"]
    until(lambda: service.http.get(f"/jobs/{job_id}", headers=lab).json()["state"] == "succeeded", 60)
    page, before = f"/jobs/{job_id}/view", children(service.pid("api"))
    for key in (None, "other", "lab"):
        with httpx.Client(base_url=service.url, timeout=30) as browser:
            if key is not None:
                sent = {"key": guarded.keys[key]["Authorization"].removeprefix("Bearer ")}
                assert browser.post("/session", json=sent).status_code == 204
            assert browser.get(page).status_code == 200
            if key == "lab":
                until(lambda: len(children(service.pid("api")) - before) == 1)
            else:
                time.sleep(0.3)
                assert children(service.pid("api")) <= before
    looks = [entry for entry in entries(service.data_dir) if entry["job"] == job_id]
    assert "slide.view" not in {entry["action"] for entry in looks}  # no pixel was sent
    assert service.http.get("/jobs/none/view").status_code == 200


def test_a_slide_whose_reader_died_is_opened_again_with_its_size(api, tissue):
    job_id = api.done(tissue)

    def reader():
        (found,) = [view.reader for view in api.services.viewer._views._idle if view.name == job_id]
        return found

    shown = api.http.get(f"/jobs/{job_id}/slide.dzi").text
    first = reader()
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not first.alive)
    assert api.http.get(f"/jobs/{job_id}/slide.dzi").text == shown
    api.http.get(f"/jobs/{job_id}/slide_files/9/0_0.jpg").raise_for_status()
    assert reader().pid != first.pid


def test_an_upload_erased_before_its_results_is_gone_too(api, tissue):
    job_id = api.done(tissue)
    (entry,) = (api.data_dir / "jobs" / job_id / "slide").iterdir()
    assert api.http.get(f"/jobs/{job_id}/slide.dzi").status_code == 200
    entry.unlink()
    entry.parent.rmdir()
    for name in ("slide.dzi", "slide_files/9/0_0.jpg"):
        check_problem(api.http.get(f"/jobs/{job_id}/{name}"), 410, "slide_gone")
    assert api.http.get(f"/jobs/{job_id}/result").status_code == 200


def test_a_slide_given_by_path_is_shown_as_long_as_it_is_the_same(api, slide_root):
    slide = tissue_slide(slide_root / "moving.svs")
    body = json.dumps({"source": {"type": "path", "path": str(slide)}})
    job_id = api.http.post("/analyze", content=body, headers={"Content-Type": "application/json"}).json()["id"]
    api.succeed(job_id)
    assert api.http.get(f"/jobs/{job_id}/slide.dzi").status_code == 200
    slide.unlink()
    check_problem(api.http.get(f"/jobs/{job_id}/slide_files/9/0_0.jpg"), 410, "slide_gone")
