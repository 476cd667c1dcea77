"""The pages in the system's Chromium: `make test-web`. Not part of `make unit`: a browser is needed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.realdata.conftest import slides_dir
from tests.service import Service

__all__ = ["slides_dir"]
collect_ignore_glob = [] if os.environ.get("XMAG_TEST_WEB") == "1" else ["test_*.py"]
# Names outside this machine do not exist for the browser: whatever asked for one would fail, and be seen.
ONLY_LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None and os.environ.get("REQUIRE") == "1":
        pytest.fail("REQUIRE=1, but there is no Chromium on this machine")
    if path is None:
        pytest.skip("there is no Chromium on this machine: install it (Debian: apt-get install chromium)")
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[object]:
    """A headless browser that reaches loopback alone."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=[ONLY_LOOPBACK, *as_root])
        yield started
        started.close()


@pytest.fixture(scope="session")
def hospital(chromium: str, slides_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own, without keys."""
    service = Service(tmp_path_factory.mktemp("web"), slide_roots=slides_dir).start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="session")
def finished(hospital: Service, slides_dir: Path) -> str:
    """A finished job of a real slide, read in place."""
    path = slides_dir / "dev_lusc_he3_20x.svs"
    body = {"source": {"type": "path", "path": str(path)}, "slide_id": "lung", "case_id": "S26-1"}
    job_id = hospital.http.post("/analyze", json=body).json()["id"]
    assert hospital.wait(job_id)["state"] == "succeeded"
    return str(job_id)


@pytest.fixture
def page(browser, hospital: Service):
    """A page whose console must stay clean, and that may ask this service alone."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, base_url=hospital.url)
    opened, complaints, asked = context.new_page(), [], []
    opened.set_default_timeout(20_000)
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    opened.complaints = complaints
    yield opened
    context.close()
    assert [text for text in complaints if "Content Security Policy" in text or "Error:" in text] == []
    assert [url for url in asked if not url.startswith((hospital.url, "blob:" + hospital.url))] == []
