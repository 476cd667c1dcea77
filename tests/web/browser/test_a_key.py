"""A service that wants a key: the page asks for it once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import ROOT, Service
from tests.web.browser.acts import row


@pytest.fixture
def with_a_key(chromium: str, slides_dir: Path, tmp_path: Path):
    """A service with one job, and from then on a key."""
    service = Service(tmp_path / "data", slide_roots=slides_dir).start()
    path = str(slides_dir / "fix_cmu1_small_region.svs")
    service.http.post("/analyze", json={"source": {"type": "path", "path": path}, "slide_id": "lung"})
    command = [sys.executable, "-m", "app.cli", "keys", "create", "desk", "--scope", "admin"]
    environment = {"XMAG_DATA_DIR": str(service.data_dir), "PATH": ""}
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    yield service.url, next(word for word in made.stdout.split() if word.startswith("xmag_"))
    assert service.stop() == 0


def test_a_key_is_asked_for_once(browser, with_a_key: tuple[str, str]) -> None:
    url, key = with_a_key
    context = browser.new_context(base_url=url)
    try:
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Key").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("Unknown or revoked key.").wait_for()
        page.get_by_label("Key").fill(key)
        page.get_by_role("button", name="Log in").click()
        row(page, "lung").wait_for()
        page.reload()
        row(page, "lung").wait_for()
        assert page.locator("dialog[open]").count() == 0
        assert page.evaluate("document.cookie") == ""
    finally:
        context.close()
