"""The pages where a proxy puts a prefix before all addresses, and the same service by its own address."""

from collections.abc import Iterator

import pytest

from app.access.keys import KeyStore
from tests.prefix_proxy import PrefixProxy
from tests.service import Service, until
from tests.tissue import tissue_slide
from tests.web.browser.acts import SECONDS, drop, row

Fronted = tuple[Service, PrefixProxy, str]


@pytest.fixture(scope="module")
def fronted(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    """A service with a key, and a proxy in front of it."""
    folder, proxy = tmp_path_factory.mktemp("prefix"), PrefixProxy("/department/xmag")
    key = KeyStore(folder / "data").create("desk", "lab", ("submit", "read", "erase"))
    service = Service(folder / "data", public_url=proxy.public_url, trusted_proxies="127.0.0.1").start()
    proxy.upstream_port = int(service.url.rpartition(":")[2])
    yield service, proxy, key
    proxy.stop()
    assert service.stop() == 0


@pytest.mark.parametrize("way", ["by the proxy", "by its own address"])
def test_a_slide_is_dropped_watched_looked_at_and_erased(browser, fronted: Fronted, tmp_path, way: str) -> None:
    service, proxy, key = fronted
    base = proxy.public_url if way == "by the proxy" else service.url
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page, complaints, asked = context.new_page(), [], []
    page.set_default_timeout(20 * SECONDS)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    context.on("request", lambda request: asked.append(request.url))
    page.goto(f"{base}/")
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Log in").click()
    until(lambda: page.locator("#live").inner_text() == "live", 20)
    drop(page, "mine.svs", tissue_slide(tmp_path / "mine.svs").read_bytes())
    row(page, "mine").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    row(page, "mine").get_by_role("link", name="View mine").click()
    page.wait_for_selector("[data-drawn*='heatmap.png']")
    until(lambda: page.evaluate("performance.getEntriesByName('first-tile').length === 1"), 20)
    until(lambda: page.locator("#tiles img").first.evaluate("image => image.naturalWidth") == 224)
    with context.expect_page() as opened:
        page.get_by_role("link", name="Report", exact=True).click()
    opened.value.locator("img.map").wait_for()
    assert opened.value.locator("img.map").evaluate("image => image.complete && image.naturalWidth > 0")
    page.get_by_role("link", name="Worklist").click()
    row(page, "mine").get_by_role("button", name="Erase mine").click()
    page.get_by_role("button", name="Erase", exact=True).click()
    row(page, "mine").wait_for(state="detached")
    page.goto(f"{base}/docs")
    page.locator("#operations-tag-jobs").wait_for()
    page.goto(f"{base}/")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Key").wait_for()
    context.close()
    assert [text for text in complaints if "401" not in text] == []
    assert [url for url in asked if not url.startswith((base, f"blob:{base}", "data:"))] == []
