"""`xmag submit` as a person runs it, against a real service that is restarted, closed and filled under it."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

from app.access.keys import KeyStore
from tests.client.test_service import Scripted
from tests.service import ROOT, Service
from tests.tissue import tissue_slide


def start(cwd, *arguments, **settings):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")} | settings
    command = [sys.executable, "-m", "app.cli", "submit", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment | {"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(process):
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_batch_comes_back_as_a_table(service, tissue, slide_root, tmp_path):
    text = tmp_path / "text.svs"
    text.write_text("no slide")
    slides = [tissue, slide_root / "blank.svs", text, slide_root / "no_mpp.svs"]
    table = tmp_path / "out.csv"
    code, out, _ = finished(start(tmp_path, *slides, "--server", service.url, "--wait", "--csv", table))
    assert code == 1
    found = rows_of(table)
    assert [(row["state"], row["code"]) for row in found] == [
        ("succeeded", ""),
        ("failed", "no_tissue"),
        ("refused", "not_a_slide"),
        ("refused", "mpp_missing"),
    ]
    assert [row["file"] for row in found] == [str(slide) for slide in slides]
    result = service.http.get(f"/jobs/{found[0]['job']}/result").json()
    said = result["predictions"][0]["probabilities"]["malignant"]
    assert float(found[0]["malignancy: malignant"]) == pytest.approx(said, rel=1e-5)
    assert (found[0]["malignancy: kind"], found[0]["malignancy: validated"]) == ("score_uncalibrated", "no")
    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[2] for line in lines] == ["succeeded", "failed", "refused", "refused"]


def test_the_same_batch_again_makes_no_second_job(service, tmp_path):
    slide = tissue_slide(tmp_path / "mine.svs", seed=3)
    fields = ("--server", service.url, "--organ", "lung", "--priority", "stat", "--mpp", "2")
    ids = []
    for more in ((), ("--wait",), ("--wait", "--again")):
        code, out, err = finished(start(tmp_path, slide, *fields, *more))
        assert code == 0, err
        ids.append(out.split("\t")[1])
    assert ids[0] == ids[1] != ids[2]
    assert service.job(ids[0])["priority"] == "stat"


def test_a_batch_survives_a_restart_of_the_service(tmp_path):
    slides = [tissue_slide(tmp_path / f"{number}.svs", side_px=1200, seed=number) for number in range(3)]
    table = tmp_path / "out.csv"
    service = Service(tmp_path / "data").start()
    port = service.url.rpartition(":")[2]
    process = start(tmp_path, *slides, "--server", service.url, "--wait", "--csv", table)
    deadline = time.monotonic() + 60
    while not service.job_folders() and time.monotonic() < deadline:
        time.sleep(0.02)
    service.process.send_signal(signal.SIGKILL)
    service.stop()
    time.sleep(1)
    after = Service(tmp_path / "data", port=port).start()
    try:
        code, out, err = finished(process)
        assert code == 0, out + err
        found = rows_of(table)
        assert [row["state"] for row in found] == ["succeeded"] * 3
        assert len({row["job"] for row in found}) == 3
        assert len(after.http.get("/jobs").json()["jobs"]) == 3
    finally:
        after.stop()


def test_the_key_comes_from_the_environment(tmp_path):
    store = KeyStore(tmp_path / "data")
    key, sender = store.create("lab", "lab", ("submit", "read")), store.create("sender", "lab", ("submit",))
    slide = tissue_slide(tmp_path / "a.svs")
    service = Service(tmp_path / "data").start()
    try:
        assert finished(start(tmp_path, slide, "--server", service.url, "--wait", XMAG_KEY=key))[0] == 0
        code, out, err = finished(start(tmp_path, slide, "--server", service.url, XMAG_KEY="xmag_wrong"))
        assert (code, out) == (2, "")
        assert "unauthenticated" in err
        assert "xmag_wrong" not in err
        code, out, _ = finished(start(tmp_path, slide, "--server", service.url, "--wait", XMAG_KEY=sender))
        assert (code, out.split("\t")[2:]) == (0, ["succeeded", "The key may not read results (scope read).\n"])
    finally:
        assert service.stop() == 0


def test_a_server_with_keys_asks_for_one(tmp_path):
    KeyStore(tmp_path / "data").create("lab", "lab", ("submit", "read"))
    service = Service(tmp_path / "data").start()
    try:
        code, _, err = finished(start(tmp_path, tissue_slide(tmp_path / "a.svs"), "--server", service.url))
    finally:
        assert service.stop() == 0
    assert (code, "needs a key: set XMAG_KEY" in err.replace("\n", " ")) == (2, True)


def test_file_names_become_slide_ids_also_where_they_are_not_utf8(service, tissue, tmp_path):
    names = [b"S26-7-A1.svs", b"Caf\xe9.svs", b"=1+1.svs"]
    slides = [tmp_path / os.fsdecode(name) for name in names]
    for number, slide in enumerate(slides):
        tissue_slide(slide, seed=40 + number)
    table = tmp_path / "out.csv"
    code, out, err = finished(start(tmp_path, *slides, "--server", service.url, "--case", "S26-7", "--csv", table))
    assert code == 0, err
    rows = rows_of(table)
    assert [row["file"].rpartition("/")[2] for row in rows] == ["S26-7-A1.svs", "Caf\\xe9.svs", "=1+1.svs"]
    assert len(out.splitlines()) == 3
    jobs = [service.job(row["job"]) for row in rows]
    assert [(job["case_id"], job["slide_id"]) for job in jobs] == [
        ("S26-7", "S26-7-A1"),
        ("S26-7", "Caf\\xe9"),
        ("S26-7", "=1+1"),
    ]


def test_no_names_sends_no_slide_id(service, tmp_path):
    slide = tissue_slide(tmp_path / "DOE^JANE.svs", seed=50)
    code, out, err = finished(start(tmp_path, slide, "--server", service.url, "--no-names"))
    assert code == 0, err
    job = service.job(out.split("\t")[1])
    assert (job["case_id"], job["slide_id"]) == (None, None)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["none.svs"],
        ["{slide}", "--server", "ftp://x"],
        ["{slide}", "--server", "http://127.0.0.1:1"],
        ["{slide}", "--mpp", "fast"],
    ],
)
def test_usage_is_exit_code_2(tissue, tmp_path, arguments):
    code, _, err = finished(start(tmp_path, *[argument.format(slide=tissue) for argument in arguments]))
    assert code == 2
    assert err


@pytest.mark.parametrize("status", [200, 404])
def test_the_address_of_another_server_is_exit_code_2(tissue, tmp_path, status):
    server = Scripted((status, {}, {}))
    try:
        code, out, err = finished(start(tmp_path, tissue, "--server", server.url))
    finally:
        server.shutdown()
        server.server_close()
    assert (code, out) == (2, "")
    assert server.url in err.replace("\n", "")
