"""A slide comes in and a result comes out; what is sent is limited in size and time."""

import hashlib
import io
import json
import socket

import h5py
import numpy as np
import pytest
from PIL import Image

from app.results.schema import STAGES
from tests.api.answers import check_problem, raw_answer
from tests.service import until


def test_an_upload_becomes_a_result_with_all_its_files(service, tissue):
    answer = service.post(tissue, case_id="S26-1", slide_id="S26-1-A1", context="ward 7", priority="stat")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) > 0
    over = service.wait(job["id"])
    assert (over["state"], over["attempt"], over["error"]) == ("succeeded", 1, None)
    assert (over["case_id"], over["slide_id"], over["context"], over["priority"]) == (
        "S26-1",
        "S26-1-A1",
        "ward 7",
        "stat",
    )

    result = service.http.get(over["links"]["result"]).json()
    assert result["slide"]["sha256"] == hashlib.sha256(tissue.read_bytes()).hexdigest()
    assert (result["slide"]["mpp"], result["slide"]["mpp_source"]) == (2.0, "file")
    tiles = result["tiling"]["tissue_tiles"]
    assert 8 <= tiles <= 16
    (prediction,) = result["predictions"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
    assert (prediction["trained"], prediction["validated"]) == (True, False)
    assert "NOT VALIDATED" in prediction["statement"]
    assert result["research_use_only"] is True
    assert "where the model looked, not where tumour is" in result["model"]["attention_legend"]

    heatmap = Image.open(io.BytesIO(service.http.get(over["links"]["heatmap"]).content))
    overlay = Image.open(io.BytesIO(service.http.get(over["links"]["overlay"]).content))
    mask = Image.open(io.BytesIO(service.http.get(over["links"]["tissue_mask"]).content))
    assert heatmap.format == overlay.format == mask.format == "PNG"
    assert (overlay.mode, overlay.size) == ("RGBA", mask.size)
    squares = service.http.get(over["links"]["attention"]).json()["features"]
    with h5py.File(io.BytesIO(service.http.get(over["links"]["embeddings"]).content)) as file:
        assert file["features"].shape == (tiles, 1280)
        coords = file["coords"][:]
        assert file["coords"].attrs["patch_size_level0"] == 224
    assert len(squares) == tiles
    assert result["job"] == {"id": over["id"], "attempt": 1, "created_at": over["created_at"]}
    assert over["started_at"] < result["analysed_at"] < over["finished_at"]
    assert set(result["timings_s"]) == set(STAGES)
    corners = [square["geometry"]["coordinates"][0][0] for square in squares]
    np.testing.assert_array_equal(coords, corners)
    raw = [square["properties"]["measurements"] for square in squares]
    assert sum(tile["attention"] for tile in raw) == pytest.approx(1.0, abs=1e-3)
    scores = [t["tile score (malignant)"] if t["tissue fraction"] >= 0.3 else -np.inf for t in raw]
    assert np.argmax(scores) == result["top_tiles"][0]["index"]


def test_a_slide_by_path_is_read_in_place_and_gives_the_same_result(service, tissue):
    before = tissue.stat()
    body = {"source": {"type": "path", "path": str(tissue)}, "tasks": ["malignancy"]}
    answer = service.http.post("/analyze", json=body)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["id"]
    assert service.wait(job_id)["state"] == "succeeded"
    assert not (service.data_dir / "jobs" / job_id / "slide").exists()
    by_path = service.http.get(f"/jobs/{job_id}/result").json()
    uploaded = service.submit(tissue)
    service.wait(uploaded)
    by_upload = service.http.get(f"/jobs/{uploaded}/result").json()
    for part in ("slide", "tiling", "qc", "predictions", "top_tiles"):
        assert by_path[part] == by_upload[part]
    assert service.http.delete(f"/jobs/{job_id}").status_code == 200
    after = tissue.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "relative.svs", "{root}", "{root}/.", "{root}/../outside.svs", "{root}/link.svs"]
)
def test_a_path_outside_the_roots_is_refused(api, slide_root, tmp_path, path):
    link = slide_root / "link.svs"
    if not link.is_symlink():
        link.symlink_to(tmp_path / "elsewhere.svs")
    body = {"source": {"type": "path", "path": path.format(root=slide_root)}}
    check_problem(api.http.post("/analyze", json=body), 403, "path_not_allowed")


def test_a_missing_slide_inside_the_roots(api, slide_root):
    body = {"source": {"type": "path", "path": str(slide_root / "none.svs")}}
    check_problem(api.http.post("/analyze", json=body), 422, "slide_missing")


def test_too_large_is_refused_before_it_is_sent(service):
    host = service.url.removeprefix("http://")
    head = (
        f"POST /analyze HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "Content-Length: 90000000\r\nConnection: close\r\n\r\n"
    )
    answer = raw_answer(host, head.encode())
    assert answer.startswith("HTTP/1.1 413")
    assert '"too_large"' in answer


def test_a_client_that_hangs_up_or_stalls_leaves_nothing(service, tissue):
    before = service.job_folders()
    host = service.url.removeprefix("http://")
    part = (
        b'--b\r\nContent-Disposition: form-data; name="slide"; filename="s.svs"\r\n\r\n' + tissue.read_bytes()[:200_000]
    )
    head = (
        f"POST /analyze HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "Content-Length: 5000000\r\nConnection: close\r\n\r\n"
    ).encode()
    with socket.create_connection(host.split(":"), timeout=10) as connection:
        connection.sendall(head + part)
        until(lambda: service.job_folders() != before)
    until(lambda: service.job_folders() == before)
    answer = raw_answer(host, head + part)
    assert answer.startswith("HTTP/1.1 408")
    assert '"upload_stalled"' in answer
    assert service.job_folders() == before


def test_the_request_is_on_disk_when_the_answer_comes(api, tissue):
    job_id = api.submit(tissue, organ="lung")
    request = json.loads((api.data_dir / "jobs" / job_id / "request.json").read_text())
    assert (request["id"], request["organ"]) == (job_id, "lung")
    entry = api.data_dir / "jobs" / job_id / "slide" / request["source"]["entry"]
    assert entry.read_bytes() == tissue.read_bytes()
    assert "tissue" not in entry.name


@pytest.mark.parametrize("framing", ["HTTP/1.0", "Expect: 100-continue", "chunks of a byte"])
def test_a_form_is_read_however_it_travels(service, tissue, framing):
    host, slide = service.url.removeprefix("http://"), tissue.read_bytes()
    form = (
        b'preamble\r\n--b\r\nContent-Disposition: form-data; name="sha256"\r\n\r\n'
        + hashlib.sha256(slide).hexdigest().encode()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="slide"\r\n\r\n'
        + slide
        + b"\r\n--b--\r\nepilogue"
    )
    version = framing if framing.startswith("HTTP") else "HTTP/1.1"
    lines = [f"POST /analyze {version}", f"Host: {host}", "Content-Type: multipart/form-data; boundary=b"]
    if framing == "chunks of a byte":
        lines.append("Transfer-Encoding: chunked")
        start = b"".join(b"1\r\n%b\r\n" % form[at : at + 1] for at in range(300))
        form = start + b"%x;name=value\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(form) - 300, form[300:])
    else:
        lines.append(f"Content-Length: {len(form)}")
    if framing.startswith("Expect"):
        lines.append(framing)
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
    answer = raw_answer(host, head + form)
    continued = "HTTP/1.1 100 Continue\r\n\r\n" if framing.startswith("Expect") else ""
    assert answer.startswith(f"{continued}HTTP/1.1 202 ")
