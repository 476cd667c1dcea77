"""Uploads in pieces: what arrived stays over broken lines and restarts, and becomes a job without a copy."""

import base64
import hashlib
import json
import os
import signal
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.answers import check_problem
from tests.service import Service, until
from tests.tissue import tissue_slide

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


def named(file_name: str) -> dict[str, str]:
    return {"Upload-Metadata": f"filename {base64.b64encode(file_name.encode()).decode()},filetype"}


def begin(service, length: int, headers=None, file_name="Doe^John.svs"):
    return service.http.post(
        "/uploads/", headers={**TUS, **named(file_name), "Upload-Length": str(length), **(headers or {})}
    )


def send(service, location: str, offset: int, data: bytes, headers=None):
    return service.http.patch(
        location, headers={**PIECE, "Upload-Offset": str(offset), **(headers or {})}, content=data
    )


def uploaded(service, data: bytes, headers=None, file_name="Doe^John.svs") -> str:
    """A complete upload's id."""
    location = begin(service, len(data), headers, file_name).headers["location"]
    assert send(service, location, 0, data, headers).status_code == 204
    return location.rpartition("/")[2]


def answers(service) -> bool:
    try:
        return service.http.get("/v2/health/live").status_code == 200
    except httpx.TransportError:
        return False


def analyze(service, upload_id: str, headers=None, **fields):
    body = {"source": {"type": "upload", "id": upload_id}, **fields}
    return service.http.post("/analyze", json=body, headers=headers)


def test_a_slide_in_pieces_becomes_a_job_by_its_other_name(service, tissue):
    data = tissue.read_bytes()
    begun = begin(service, len(data))
    assert begun.status_code == 201
    location = begun.headers["location"]
    assert begun.headers["tus-resumable"] == "1.0.0" and "GMT" in begun.headers["upload-expires"]
    for start in range(0, len(data), 30_000):
        answer = send(service, location, start, data[start : start + 30_000])
        assert answer.status_code == 204
        assert answer.headers["upload-offset"] == str(min(start + 30_000, len(data)))
    told = service.http.head(location, headers=TUS).headers
    assert told["upload-offset"] == told["upload-length"] == str(len(data))
    assert told["cache-control"] == "no-store"
    upload_id = location.rpartition("/")[2]
    inode = (service.data_dir / "uploads" / upload_id / "data").stat().st_ino
    answer = analyze(service, upload_id, case_id="tus")
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["id"]
    (slide,) = (service.data_dir / "jobs" / job_id / "slide").iterdir()
    assert (slide.stat().st_ino, slide.stat().st_nlink, slide.name) == (inode, 1, "slide.svs")
    source = json.loads((service.data_dir / "jobs" / job_id / "request.json").read_text())["source"]
    assert source["sha256"] == hashlib.sha256(data).hexdigest()
    assert service.wait(job_id)["state"] == "succeeded"
    assert service.http.head(location, headers=TUS).status_code == 404
    check_problem(analyze(service, upload_id), 404, "upload_not_found")
    kept = "".join(path.read_text() for path in (service.data_dir / "uploads" / upload_id).iterdir())
    assert "Doe" not in kept + "\n".join(service.lines)


def test_what_the_server_speaks(api):
    answer = api.http.options("/uploads/")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0" and answer.headers["tus-max-size"] == "80000000"
    assert answer.headers["tus-extension"] == "creation,creation-with-upload,termination,expiration"
    refused = api.http.post("/uploads/", headers={"Upload-Length": "5"})
    check_problem(refused, 412, "tus_version")
    assert refused.headers["tus-version"] == refused.headers["tus-resumable"] == "1.0.0"


def test_the_first_piece_may_come_at_once(api, tissue):
    data = tissue.read_bytes()
    begun = api.http.post(
        "/uploads", headers={**PIECE, **named("a.SVS"), "Upload-Length": str(len(data))}, content=data[:1000]
    )
    assert (begun.status_code, begun.headers["upload-offset"]) == (201, "1000")
    location = begun.headers["location"]
    answer = send(api, location, 1000, data[1000:])
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(data)))
    assert api.http.delete(location, headers=TUS).status_code == 204
    assert api.http.head(location, headers=TUS).status_code == 404
    assert not (api.data_dir / "uploads" / location.rpartition("/")[2]).exists()


def test_wrong_beginnings_and_pieces_change_nothing(api):
    check_problem(begin(api, 80_000_001), 413, "too_large")
    check_problem(begin(api, 0), 422, "empty_upload")
    for length in ("", "-1", "1e3", "x", "9" * 30):
        check_problem(begin(api, 1, {"Upload-Length": length}), 422, "request_invalid")
    check_problem(begin(api, 1, {"Upload-Metadata": "filename %%%"}), 422, "request_invalid")
    location = begin(api, 10).headers["location"]
    check_problem(send(api, location, 3, b"abc"), 409, "upload_offset")
    check_problem(send(api, location, 0, b"x" * 11), 413, "too_large")
    check_problem(send(api, location, 0, b"abc", {"Content-Type": "text/plain"}), 415, "upload_type")
    check_problem(send(api, location, 0, b"abc", {"Upload-Offset": "?"}), 422, "request_invalid")
    assert api.http.head(location, headers=TUS).headers["upload-offset"] == "0"
    check_problem(analyze(api, location.rpartition("/")[2]), 409, "upload_incomplete")
    assert api.http.delete(location, headers=TUS).status_code == 204


@pytest.mark.parametrize("name", ["nope", "..%2f..%2fjobs", "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"])
def test_unknown_uploads(api, name):
    assert send(api, f"/uploads/{name}", 0, b"x").status_code == 404
    assert api.http.delete(f"/uploads/{name}", headers=TUS).status_code == 404
    check_problem(analyze(api, name), 404, "upload_not_found")


def test_a_broken_line_loses_nothing_and_who_comes_back_need_not_wait(service, tissue):
    data = tissue.read_bytes()
    location = begin(service, len(data)).headers["location"]
    url, half = urlsplit(service.url), len(data) // 2
    head = "\r\n".join(
        [
            f"PATCH {location} HTTP/1.1",
            f"Host: {url.netloc}",
            f"Content-Length: {len(data)}",
            *(f"{name}: {value}" for name, value in {**PIECE, "Upload-Offset": "0"}.items()),
        ]
    )
    with socket.create_connection((url.hostname, url.port)) as line:
        line.sendall(f"{head}\r\n\r\n".encode() + data[:half])
        time.sleep(0.3)
        began = time.monotonic()
        offset = int(service.http.head(location, headers=TUS).headers["upload-offset"])  # the line is still open
        assert time.monotonic() - began < 1.5
    assert offset <= half
    answer = send(service, location, offset, data[offset:])
    assert answer.headers["upload-offset"] == str(len(data))
    job = analyze(service, location.rpartition("/")[2])
    assert job.status_code == 202, job.text
    service.wait(job.json()["id"])


def cut_off(service, location: str, offset: int, data: bytes, pauses: int) -> None:
    """Sends ``data`` with pauses as if more would come, and hangs up."""
    url = urlsplit(service.url)
    with socket.create_connection((url.hostname, url.port)) as line:
        head = f"PATCH {location} HTTP/1.1\r\nHost: {url.netloc}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
        line.sendall(f"{head}Content-Type: application/offset+octet-stream\r\nContent-Length: {10**6}\r\n\r\n".encode())
        for part in range(pauses):
            line.sendall(data[part * len(data) // pauses : (part + 1) * len(data) // pauses])
            time.sleep(0.3)


def test_a_line_that_breaks_in_every_mebibyte_gets_on_all_the_same(service):
    location = begin(service, 10**6).headers["location"]
    cut_off(service, location, 0, bytes(200_000), 1)
    until(lambda: service.http.head(location, headers=TUS).headers["upload-offset"] == "200000")
    cut_off(service, location, 200_000, bytes(300_000), 4)
    until(lambda: service.http.head(location, headers=TUS).headers["upload-offset"] == "500000")
    wrong = send(service, location, 7, b"x")
    check_problem(wrong, 409, "upload_offset")
    assert wrong.headers["upload-offset"] == str(wrong.json()["upload_offset"]) == "500000"
    beyond = send(service, location, 500_000, bytes(600_000))
    check_problem(beyond, 413, "too_large")
    assert "begun with 1000000 bytes" in beyond.json()["detail"]
    assert service.http.delete(location, headers=TUS).status_code == 204


def test_a_refused_slide_need_not_be_sent_again(api, slide_root):
    upload_id = uploaded(api, (slide_root / "no_mpp.svs").read_bytes())
    check_problem(analyze(api, upload_id), 422, "mpp_missing")
    check_problem(analyze(api, upload_id, task="x"), 422, "request_invalid")
    assert analyze(api, upload_id, mpp=2.0).status_code == 202
    upload_id = uploaded(api, b"no slide at all", file_name="x.svs")
    check_problem(analyze(api, upload_id), 415, "not_a_slide")
    assert api.http.delete(f"/uploads/{upload_id}", headers=TUS).status_code == 204


def test_asking_again_with_the_same_key_gives_the_same_job(api, tissue):
    upload_id, key = uploaded(api, tissue.read_bytes()), {"Idempotency-Key": "tus-once"}
    first = analyze(api, upload_id, key, case_id="once").json()["id"]
    assert analyze(api, upload_id, key, case_id="once").json()["id"] == first
    check_problem(analyze(api, upload_id, key, case_id="other"), 422, "idempotency_key_reused")
    check_problem(analyze(api, upload_id, {"Idempotency-Key": "tus-twice"}), 404, "upload_not_found")
    again = uploaded(api, tissue.read_bytes())
    assert analyze(api, again, key, case_id="once").json()["id"] == first


def test_of_two_that_ask_at_once_one_gets_the_upload(api, tissue):
    upload_id, answers = uploaded(api, tissue.read_bytes()), []
    threads = [threading.Thread(target=lambda: answers.append(analyze(api, upload_id))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [202, 404]


def test_another_keys_upload_does_not_exist(guarded_api, tmp_path):
    service, lab = guarded_api.service, guarded_api.keys["lab"]
    data = tissue_slide(tmp_path / "s.svs").read_bytes()
    check_problem(begin(service, 10), 401, "unauthenticated")
    check_problem(begin(service, 10, guarded_api.keys["viewer"]), 403, "forbidden")
    upload_id = uploaded(service, data, lab)
    for name in ("colleague", "other", "admin"):  # an admin's job would be the admin's tenant's
        other = guarded_api.keys[name]
        check_problem(send(service, f"/uploads/{upload_id}", 0, b"x", other), 404, "upload_not_found")
        check_problem(analyze(service, upload_id, other), 404, "upload_not_found")
        assert service.http.delete(f"/uploads/{upload_id}", headers={**TUS, **other}).status_code == 404
    job_id = analyze(service, upload_id, lab).json()["id"]
    record = json.loads((service.data_dir / "jobs" / job_id / "request.json").read_text())
    owners = {key.name: key.owner for key in guarded_api.store.all()}
    assert record["owner"] == owners["lab"] and len(set(owners.values())) == len(owners)


def test_pieces_outlast_a_kill_and_are_erased_in_time(tmp_path):
    slide = tissue_slide(tmp_path / "s.svs")
    data = slide.read_bytes()
    service = Service(tmp_path / "data", uploads_keep_hours=1).start()
    try:
        location = begin(service, len(data)).headers["location"]
        assert send(service, location, 0, data[:50_000]).status_code == 204
        forgotten = begin(service, 100).headers["location"].rpartition("/")[2]
        os.kill(service.pid("api"), signal.SIGKILL)
        until(lambda: answers(service), 30)
        assert service.http.head(location, headers=TUS).headers["upload-offset"] == "50000"
        assert send(service, location, 50_000, data[50_000:]).status_code == 204
        job = analyze(service, location.rpartition("/")[2]).json()
        recorded = json.loads((service.data_dir / "jobs" / job["id"] / "request.json").read_text())["source"]
        assert recorded["sha256"] == hashlib.sha256(data).hexdigest()  # hashed anew: the first part's was lost
        folder = service.data_dir / "uploads" / forgotten
        for path in folder.iterdir():
            os.utime(path, (time.time() - 3700,) * 2)
        until(lambda: not folder.exists(), 25)
        assert service.wait(job["id"])["state"] == "succeeded"
    finally:
        service.stop()
