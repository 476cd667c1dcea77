"""Slides that are refused, at once or by their job, with the reason."""

import io
import os
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.api.answers import check_problem


def a_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 300), "pink").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("notes.txt", b"this is no slide\n" * 100, 415, "not_a_slide"),
        ("renamed.svs", b"this is no slide\n" * 100, 415, "not_a_slide"),
        ("empty.svs", b"", 422, "empty_upload"),
        ("picture.png", a_png(), 415, "not_a_slide"),
    ],
)
def test_what_is_no_slide_is_refused_at_once(api, tmp_path, name, content, status, code):
    before = api.job_folders()
    path = tmp_path / name
    path.write_bytes(content)
    check_problem(api.post(path), status, code)
    assert api.job_folders() == before


def test_a_truncated_slide_never_gives_a_result(service, tissue, tmp_path):
    whole = tissue.read_bytes()
    for cut in (0.2, 0.6, 0.95):
        path = tmp_path / "cut.svs"
        path.write_bytes(whole[: int(len(whole) * cut)])
        answer = service.post(path)
        if answer.status_code == 202:
            over = service.wait(answer.json()["id"])
            assert (over["state"], over["error"]["code"]) == ("failed", "slide_corrupt")
        else:
            assert answer.json()["code"] in {"slide_corrupt", "not_a_slide"}
    assert service.wait(service.submit(tissue))["state"] == "succeeded"


def test_no_resolution_is_asked_for_and_then_taken(service, slide_root):
    body = check_problem(service.post(slide_root / "no_mpp.svs"), 422, "mpp_missing")
    assert "mpp" in body["detail"]
    over = service.wait(service.submit(slide_root / "no_mpp.svs", mpp="1.0"))
    assert service.http.get(over["links"]["result"]).json()["slide"]["mpp_source"] == "request"


def test_no_tissue_is_a_failure_that_shows_its_mask(service, slide_root):
    over = service.wait(service.submit(slide_root / "blank.svs"))
    assert (over["state"], over["error"]["code"], over["error"]["origin"]) == ("failed", "no_tissue", "user")
    mask = service.http.get(over["links"]["tissue_mask"])
    assert not np.asarray(Image.open(io.BytesIO(mask.content)).convert("L")).any()
    check_problem(service.http.get(f"/jobs/{over['id']}/result"), 409, "result_not_ready")


def test_a_zip_is_unpacked_and_analysed(service, tissue, tmp_path):
    good = tmp_path / "slide.zip"
    with zipfile.ZipFile(good, "w") as archive:
        archive.write(tissue, "case/slide.svs")
    assert service.wait(service.submit(good))["state"] == "succeeded"


def test_a_zip_that_is_a_bomb_or_climbs_is_refused(api, tissue, tmp_path):
    before = api.job_folders()
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("slide.svs", b"\0" * 60_000_000)
    check_problem(api.post(bomb), 422, "archive_unsafe")
    climbing = tmp_path / "climbing.zip"
    with zipfile.ZipFile(climbing, "w") as archive:
        archive.writestr("../../evil.svs", tissue.read_bytes())
    check_problem(api.post(climbing), 422, "archive_unsafe")
    assert api.job_folders() == before


def test_an_index_that_names_files_of_the_server_is_refused(api, slide_root, tmp_path):
    index = "[Virtual Microscope Specimen]\nNoJpegColumns=1\nNoJpegRows=1\nMapFile={0}\nImageFile={0}\n"
    before = api.job_folders()
    for number, target in enumerate(("../../../audit.jsonl", "/etc/passwd", "/proc/self/environ")):
        for suffix in (".vms", ".vmu", ".svs"):
            alone = tmp_path / f"{number}{suffix}"
            alone.write_text(index.format(target))
            body = check_problem(api.post(alone), 422, "slide_unsafe")
            assert target not in body["detail"]
    packed = tmp_path / "mirax.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.mrxs", b"\xff\xd8")
        archive.writestr("x/Slidedat.ini", "[DATAFILE]\nFILE_COUNT = 1\nFILE_0 = ../../../../../audit.jsonl\n")
    check_problem(api.post(packed), 422, "slide_unsafe")
    os.mkfifo(tmp_path / "pipe")
    (slide_root / "leads_out").symlink_to(tmp_path / "pipe")
    for name in ("leads_out", "../pipe"):
        (slide_root / "pipe.vms").write_text(index.format(name))
        body = {"source": {"type": "path", "path": str(slide_root / "pipe.vms")}}
        check_problem(api.http.post("/analyze", json=body), 422, "slide_unsafe")
    assert api.job_folders() == before


def test_a_slide_that_was_swapped_for_a_link_is_neither_analysed_nor_shown(service, slide_root, tissue, tmp_path):
    """Size and time are the same, so that only the link tells."""
    slide, secret = slide_root / "swapped.svs", tmp_path / "secret.svs"
    shutil.copy(tissue, slide)
    shutil.copy(tissue, secret)
    os.utime(slide, (1, 1))
    os.utime(secret, (1, 1))
    source = {"source": {"type": "path", "path": str(slide)}}
    with service.paused("worker"):
        job_id = service.http.post("/analyze", json=source).json()["id"]
        slide.unlink()
        slide.symlink_to(secret)
    over = service.wait(job_id)
    assert (over["state"], over["error"]["code"]) == ("failed", "source_changed")
    for address in ("slide.dzi", "slide_files/8/0_0.jpg"):
        check_problem(service.http.get(f"/jobs/{job_id}/{address}"), 409, "source_changed")
    check_problem(service.http.post("/analyze", json=source), 403, "path_not_allowed")
