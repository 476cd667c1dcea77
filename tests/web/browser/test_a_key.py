"""A service that wants a key: the page asks for it once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import ROOT, Service
from tests.web.browser.acts import SECONDS, drop, row


def make_key(service: Service, name: str, *options: str) -> str:
    command = [sys.executable, "-m", "app.cli", "keys", "create", name, *options]
    environment = {"XMAG_DATA_DIR": str(service.data_dir), "PATH": ""}
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return next(word for word in made.stdout.split() if word.startswith("xmag_"))


def log_in(page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def with_a_key(chromium: str, slides_dir: Path, tmp_path: Path):
    """A service with one job, and from then on a key."""
    service = Service(tmp_path / "data", slide_roots=slides_dir).start()
    path = str(slides_dir / "fix_cmu1_small_region.svs")
    service.http.post("/analyze", json={"source": {"type": "path", "path": path}, "slide_id": "lung"})
    yield service, make_key(service, "desk", "--scope", "admin")
    assert service.stop() == 0


def test_a_key_is_asked_for_once(browser, with_a_key: tuple[Service, str]) -> None:
    service, key = with_a_key
    context = browser.new_context(base_url=service.url)
    try:
        page = context.new_page()
        page.goto("/")
        log_in(page, "wrong")
        page.get_by_text("Unknown or revoked key.").wait_for()
        log_in(page, key)
        row(page, "lung").wait_for()
        page.reload()
        row(page, "lung").wait_for()
        assert page.locator("dialog[open]").count() == 0
        assert page.evaluate("document.cookie") == ""
    finally:
        context.close()


@pytest.mark.parametrize("way", ["the session ended", "another tab logged out"])
def test_whoever_logs_in_next_finds_nothing_of_the_one_before(
    browser, with_a_key: tuple[Service, str], way: str
) -> None:
    service, key = with_a_key
    next_key = make_key(service, "next", "--tenant", "elsewhere")
    context = browser.new_context(base_url=service.url)
    try:
        page = context.new_page()
        page.goto("/")
        log_in(page, key)
        row(page, "lung").wait_for()
        drop(page, "photo_of_a_patient.jpg", b"\xff\xd8\xff\xe0 not a slide")
        row(page, "photo_of_a_patient.jpg").locator(".state.failed").wait_for(timeout=30 * SECONDS)
        page.reload()
        row(page, "photo_of_a_patient.jpg").wait_for()
        if way == "the session ended":
            context.clear_cookies()
            page.locator("#search").fill("S26-1")
            log_in(page, next_key)
        else:
            other = context.new_page()
            other.goto("/")
            other.get_by_role("button", name="Log out").click()
            log_in(other, next_key)
            other.get_by_text("next Log out").wait_for()
            page.bring_to_front()
        page.locator("#account").get_by_text("next").wait_for(timeout=30 * SECONDS)
        page.get_by_text("No slides yet.").wait_for()
        page.reload()
        page.get_by_text("No slides yet.").wait_for()
        assert page.locator("#rows tr").count() == 0
        assert page.evaluate("sessionStorage.length") == 0
    finally:
        context.close()
