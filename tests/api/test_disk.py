"""A disk that is full at any step of a submission: the slide is refused, nothing is kept, and it may come again."""

import base64
import errno
import os
import secrets

import pytest

from tests.api.answers import check_problem
from tests.in_process import InProcess

FIELDS = {"callback_url": "https://ris.example/done"}
FILE_NAME = base64.b64encode(b"s.svs").decode()
PIECE = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


def upload(api, slide):
    """Where a submission goes, and what it sends."""
    return "/analyze", {"files": {"slide": ("s.svs", slide.read_bytes())}, "data": FIELDS}


def path(api, slide):
    return "/analyze", {"json": {"source": {"type": "path", "path": str(slide)}, **FIELDS}}


def pieces(api, slide):
    length, name = str(slide.stat().st_size), f"filename {FILE_NAME}"
    headers = {**PIECE, "Upload-Length": length, "Upload-Metadata": name}
    location = api.http.post("/uploads/", headers=headers, content=slide.read_bytes()).headers["location"]
    return "/analyze", {"json": {"source": {"type": "upload", "id": location.rpartition("/")[2]}, **FIELDS}}


def rerun(api, slide):
    return f"/jobs/{api.done(slide)}/rerun", {"json": FIELDS}


ROOM, SPOOL = "app.jobs.admission.has_room", "app.api.body.upload"
FOLDER, SLIDE = "app.jobs.intake.upload_folder.take_lock", "app.jobs.intake.intake.sync"
RECORDS = (
    FOLDER,
    "app.records.idempotency.write_over",
    "app.access.audit.append_line",
    "app.jobs.callbacks.write_once",
    "app.records.store.write_once",
)
STEPS = {
    upload: (ROOM, f"{SPOOL}.has_room", f"{SPOOL}.SlideFile.write", f"{SPOOL}.SlideFile.finish", SLIDE, *RECORDS),
    path: (ROOM, *RECORDS),
    pieces: (SLIDE, *RECORDS),
    rerun: (ROOM, "app.jobs.intake.kept_slide.sync", *RECORDS),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory, queue_server, slide_root):
    hosts = {"callback_hosts": ("ris.example",), "callback_secret": "s" * 16}
    with InProcess(tmp_path_factory.mktemp("disk"), queue_server, slide_roots=(slide_root,), **hosts) as started:
        yield started


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_room(*_, **__):
    return False


def kept(api) -> set[str]:
    """Jobs and claims."""
    return {path.name for name in ("jobs", "idempotency") for path in (api.data_dir / name).iterdir()} - {".lock"}


@pytest.mark.parametrize(("way", "step"), [(way, step) for way, steps in STEPS.items() for step in steps])
def test_a_full_disk_refuses_the_slide_keeps_nothing_and_takes_it_later(api, tissue, monkeypatch, way, step):
    address, sent = way(api, tissue)
    key, before = {"Idempotency-Key": secrets.token_hex(8)}, kept(api)
    with monkeypatch.context() as disk:
        disk.setattr(step, no_room if step.endswith("has_room") else full)
        refused = api.http.post(address, headers=key, **sent)
    assert check_problem(refused, 503, "disk_low")["retryable"] is True
    assert int(refused.headers["retry-after"]) > 0
    assert kept(api) == before
    assert api.http.post(address, headers=key, **sent).status_code == 202
    assert len(kept(api) - before) == 2  # one job, and its claim


def test_a_job_whose_folder_was_not_synced_is_one_job_when_it_is_sent_again(api, tissue, monkeypatch):
    key, before = {"Idempotency-Key": "unsynced"}, api.job_folders()
    with monkeypatch.context() as disk:
        disk.setattr("app.records.store.sync", full)
        check_problem(api.post(tissue, key), 503, "disk_low")
    (job_id,) = api.job_folders() - before
    assert api.post(tissue, key).json()["id"] == job_id
    assert api.job_folders() == before | {job_id}
