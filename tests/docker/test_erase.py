"""docker/erase.sh against the running service: a case's jobs go, in whatever state and on however many pages."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.keys import KeyStore
from tests.service import ROOT, Service
from tests.tissue import tissue_slide

if shutil.which("curl") is None or shutil.which("jq") is None:
    pytest.skip("there is no curl or no jq on this machine", allow_module_level=True)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str, str]]:
    """A service, an admin's key and a reader's."""
    data, slides = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("slides")
    tissue_slide(slides / "a.svs")
    store = KeyStore(data)
    keys = store.create("admin", "it", ("admin",)), store.create("viewer", "it", ("read",))
    service = Service(data, slide_roots=slides).start()
    service.http.headers["Authorization"] = f"Bearer {keys[0]}"
    yield service, *keys
    assert service.stop() == 0


def submit(service: Service, case_id: str) -> str:
    path = service.settings["slide_roots"] / Path("a.svs")
    answer = service.http.post("/analyze", json={"source": {"type": "path", "path": str(path)}, "case_id": case_id})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def erase(service: Service, key: str, *case: str, ids: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "XMAG_SERVER": service.url, "XMAG_KEY": key}
    command = [ROOT / "docker" / "erase.sh", *case]
    return subprocess.run(command, env=environment, input=ids, capture_output=True, text=True, timeout=300, check=False)


def test_every_job_of_a_case_is_erased_and_no_other(guarded):
    service, admin, _ = guarded
    other = submit(service, "S26-1")
    over = submit(service, "S26-1 & 2")
    service.wait(over)
    jobs = {over, *(submit(service, "S26-1 & 2") for _ in range(51))}  # two pages, most of them not over yet
    found = erase(service, admin, "S26-1 & 2")
    assert (found.returncode, found.stderr) == (0, "")
    assert set(found.stdout.splitlines()) == {f"{job} erased" for job in jobs}
    assert service.http.get("/jobs", params={"case_id": "S26-1 & 2"}).json()["jobs"] == []
    assert service.http.get(f"/jobs/{other}").status_code == 200


def test_ids_are_taken_too_and_one_that_is_unknown_is_told(guarded):
    service, admin, _ = guarded
    job, unknown = submit(service, "S26-3"), "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"
    found = erase(service, admin, ids=f"{job}\n{unknown}\n")
    assert (found.returncode, found.stdout.splitlines()) == (0, [f"{job} erased", f"{unknown} not here"])


def test_what_could_not_be_erased_is_told(guarded):
    service, _, viewer = guarded
    job = submit(service, "S26-4")
    found = erase(service, viewer, "S26-4")
    assert (found.returncode, found.stdout) == (1, f"{job} NOT ERASED\n")
    assert erase(service, "xmag_wrong", "S26-4").returncode != 0  # no list, and not an empty one
