import hashlib
import io
import json
import os
import shutil
import socket
import threading
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from app.results.schema import STAGES
from tests.service import until


def check_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]
    assert "Traceback" not in answer.text
    return body


def raw_answer(host, request):
    with socket.create_connection(host.split(":"), timeout=10) as connection, connection.makefile("rb") as answer:
        connection.sendall(request)
        return answer.read().decode()


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
    assert "Not validated" in prediction["statement"]
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
def test_a_path_outside_the_roots_is_refused(service, slide_root, tmp_path, path):
    link = slide_root / "link.svs"
    if not link.is_symlink():
        link.symlink_to(tmp_path / "elsewhere.svs")
    body = {"source": {"type": "path", "path": path.format(root=slide_root)}}
    check_problem(service.http.post("/analyze", json=body), 403, "path_not_allowed")


def test_a_missing_slide_inside_the_roots(service, slide_root):
    body = {"source": {"type": "path", "path": str(slide_root / "none.svs")}}
    check_problem(service.http.post("/analyze", json=body), 422, "slide_missing")


@pytest.mark.parametrize(
    ("fields", "code", "word"),
    [
        ({"pritority": "stat"}, "request_invalid", "pritority"),
        ({"priority": "soon"}, "request_invalid", "priority"),
        ({"mpp": "fast"}, "request_invalid", "mpp"),
        ({"mpp": "-1"}, "request_invalid", "mpp"),
        ({"mpp": "nan"}, "request_invalid", "mpp"),
        ({"callback_url": "http://127.0.0.1/"}, "callback_not_allowed", "XMAG_CALLBACK_HOSTS"),
        ({"case_id": "a\nb"}, "request_invalid", "case_id"),
        ({"mpp": "1000"}, "mpp_implausible", "mpp"),
        ({"mpp": "3"}, "resolution_too_low", "3"),
        ({"model": "no-such"}, "model_not_found", "xmag-lite0"),
        ({"model": "../models"}, "model_not_found", "xmag-lite0"),
        ({"tasks": "malignancy,grading"}, "task_not_found", "grading"),
        ({"context": "x" * 1025}, "request_invalid", "context"),
        ({"case_id": "x" * 201}, "request_invalid", "case_id"),
    ],
)
def test_wrong_fields_are_named_and_leave_nothing(service, tissue, fields, code, word):
    before = service.job_folders()
    body = check_problem(service.post(tissue, **fields), 422, code)
    assert word in body["detail"]
    assert service.job_folders() == before


def test_neither_form_nor_json(service):
    check_problem(
        service.http.post("/analyze", content=b"hello", headers={"content-type": "text/plain"}), 415, "upload_type"
    )
    check_problem(
        service.http.post("/analyze", content=b"{", headers={"content-type": "application/json"}),
        422,
        "request_invalid",
    )
    check_problem(service.http.post("/analyze", data={"mpp": "1"}), 415, "upload_type")
    files = [("slide", ("a.svs", b"a")), ("slide", ("b.svs", b"b"))]
    check_problem(service.http.post("/analyze", files=files), 422, "request_invalid")


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
def test_what_is_no_slide_is_refused_at_once(service, tmp_path, name, content, status, code):
    before = service.job_folders()
    path = tmp_path / name
    path.write_bytes(content)
    check_problem(service.post(path), status, code)
    assert service.job_folders() == before


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


def test_a_zip_is_unpacked_and_a_bomb_is_not(service, tissue, tmp_path):
    good = tmp_path / "slide.zip"
    with zipfile.ZipFile(good, "w") as archive:
        archive.write(tissue, "case/slide.svs")
    over = service.wait(service.submit(good))
    assert over["state"] == "succeeded"
    before = service.job_folders()
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("slide.svs", b"\0" * 60_000_000)
    check_problem(service.post(bomb), 422, "archive_unsafe")
    climbing = tmp_path / "climbing.zip"
    with zipfile.ZipFile(climbing, "w") as archive:
        archive.writestr("../../evil.svs", tissue.read_bytes())
    check_problem(service.post(climbing), 422, "archive_unsafe")
    assert service.job_folders() == before


def test_an_index_that_names_files_of_the_server_is_refused(service, slide_root, tmp_path):
    index = "[Virtual Microscope Specimen]\nNoJpegColumns=1\nNoJpegRows=1\nMapFile={0}\nImageFile={0}\n"
    before = service.job_folders()
    for number, target in enumerate(("../../../audit.jsonl", "/etc/passwd", "/proc/self/environ")):
        for suffix in (".vms", ".vmu", ".svs"):
            alone = tmp_path / f"{number}{suffix}"
            alone.write_text(index.format(target))
            body = check_problem(service.post(alone), 422, "slide_unsafe")
            assert target not in body["detail"]
    packed = tmp_path / "mirax.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.mrxs", b"\xff\xd8")
        archive.writestr("x/Slidedat.ini", "[DATAFILE]\nFILE_COUNT = 1\nFILE_0 = ../../../../../audit.jsonl\n")
    check_problem(service.post(packed), 422, "slide_unsafe")
    os.mkfifo(tmp_path / "pipe")
    (slide_root / "leads_out").symlink_to(tmp_path / "pipe")
    for name in ("leads_out", "../pipe"):
        (slide_root / "pipe.vms").write_text(index.format(name))
        body = {"source": {"type": "path", "path": str(slide_root / "pipe.vms")}}
        check_problem(service.http.post("/analyze", json=body), 422, "slide_unsafe")
    assert service.job_folders() == before


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


def test_the_same_idempotency_key_gives_the_same_job(service, tissue, slide_root):
    headers = {"Idempotency-Key": "key-1"}
    first = service.post(tissue, headers, case_id="A").json()["id"]
    assert service.post(tissue, headers, case_id="A").json()["id"] == first
    check_problem(service.post(tissue, headers, case_id="B"), 422, "idempotency_key_reused")
    assert service.post(tissue, {"Idempotency-Key": "key-2"}, case_id="A").json()["id"] != first
    service.wait(first)
    assert service.post(tissue, headers, case_id="A").json()["state"] == "succeeded"
    assert service.http.delete(f"/jobs/{first}").status_code == 200
    assert service.post(tissue, headers, case_id="A").json()["id"] != first


def test_a_wrong_idempotency_key_is_refused_before_the_upload(service, tissue):
    check_problem(service.post(tissue, {"Idempotency-Key": "k" * 256}), 422, "request_invalid")


def test_one_key_sent_from_many_places_at_once_makes_one_job(service, tissue):
    answers = []

    def send() -> None:
        answers.append(service.post(tissue, {"Idempotency-Key": "burst"}).json()["id"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(set(answers)) == 1
    listed = service.http.get("/jobs", params={"limit": 200}).json()["jobs"]
    assert [job["id"] for job in listed].count(answers[0]) == 1


def test_the_request_is_on_disk_when_the_answer_comes(service, tissue):
    job_id = service.submit(tissue, organ="lung")
    request = json.loads((service.data_dir / "jobs" / job_id / "request.json").read_text())
    assert (request["id"], request["organ"]) == (job_id, "lung")
    entry = service.data_dir / "jobs" / job_id / "slide" / request["source"]["entry"]
    assert entry.read_bytes() == tissue.read_bytes()
    assert "tissue" not in entry.name


@pytest.mark.parametrize("wrong", [{"mpp": True}, {"mpp": "0.25"}, {"case_id": 7}, {"priority": 1}])
def test_json_says_of_what_type_a_value_is(service, slide_root, wrong):
    source = {"type": "path", "path": str(slide_root / "by_path.svs")}
    check_problem(service.http.post("/analyze", json={"source": source, **wrong}), 422, "request_invalid")


def test_what_did_not_arrive_as_it_was_sent_is_refused(service, slide_root, tissue):
    digest = hashlib.sha256(tissue.read_bytes()).hexdigest()
    assert service.post(tissue, sha256=digest.upper()).status_code == 202
    before = service.job_folders()
    check_problem(service.post(tissue, sha256="0" * 64), 422, "digest_mismatch")
    check_problem(service.post(tissue, sha256="nonsense"), 422, "request_invalid")
    source = {"type": "path", "path": str(slide_root / "by_path.svs")}
    check_problem(service.http.post("/analyze", json={"source": source, "sha256": digest}), 422, "request_invalid")
    assert service.job_folders() == before


@pytest.mark.parametrize("url", ["ftp://ris.example/x", "https://name:word@ris.example/", "nonsense", ""])
def test_a_callback_address_is_http_without_a_password(service, tissue, url):
    answer = service.http.post("/analyze", json={"source": {"type": "path", "path": "/none"}, "callback_url": url})
    check_problem(answer, 422, "callback_not_allowed")
    assert "without a name or password" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"case_id": ["C1", "C2"]}, "case_id was sent twice"),
        ({"case_id": ["S26-1", "S26-1"]}, "case_id was sent twice"),
        ({"slide_id": ["A-1", "B-2"]}, "slide_id was sent twice"),
        ({"mpp": ["1", ".25"]}, "mpp was sent twice"),
        ({"context": ["a", "b"]}, "context was sent twice"),
        ({"tasks": ["malignancy", "malignancy"]}, "comma-separated"),
    ],
)
def test_a_field_sent_twice_is_refused_and_leaves_nothing(service, tissue, fields, words):
    before = service.job_folders()
    assert words in check_problem(service.post(tissue, **fields), 422, "request_invalid")["detail"]
    assert service.job_folders() == before


def test_a_json_key_sent_twice_is_refused(service, slide_root):
    source = json.dumps({"type": "path", "path": str(slide_root / "tissue.svs")})
    for body in (
        f'{{"source": {source}, "case_id": "A", "case_id": "B"}}',
        f'{{"source": {source}, "source": {source}}}',
        f'{{"source": {source[:-1]}, "path": "/other.svs"}}}}',
    ):
        answer = service.http.post("/analyze", content=body, headers={"Content-Type": "application/json"})
        assert "was sent twice" in check_problem(answer, 422, "request_invalid")["detail"]


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
