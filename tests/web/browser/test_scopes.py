"""The pages offer what the key that logged in may do, and nothing else."""

from collections.abc import Iterator

import pytest

from app.access.keys import KeyStore, Scope
from tests.service import Service
from tests.tissue import blank_slide, tissue_slide
from tests.web.browser.acts import row

BUTTONS: dict[tuple[Scope, ...], set[str]] = {
    ("read",): set(),
    ("submit", "read"): {"Cancel waiting", "Run again over"},
    ("read", "erase"): {"Erase over"},
    ("submit", "read", "erase"): {"Cancel waiting", "Erase over", "Run again over"},
    ("admin",): {"Cancel waiting", "Erase over", "Run again over"},
}


@pytest.fixture(scope="module")
def guarded(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with a key for each set of scopes, a job that is over, and one that waits for a paused worker."""
    folder = tmp_path_factory.mktemp("scopes")
    store = KeyStore(folder / "data")
    keys = {"+".join(scopes): store.create("+".join(scopes), "lab", scopes) for scopes in BUTTONS}
    service = Service(folder / "data").start()
    sender = {"Authorization": f"Bearer {keys['submit+read']}"}
    service.http.headers.update(sender)
    service.wait(service.submit(blank_slide(folder / "blank.svs"), slide_id="over"))
    with service.paused("worker"):
        service.submit(tissue_slide(folder / "tissue.svs"), slide_id="waiting")
        yield service, keys
    assert service.stop() == 0


@pytest.mark.parametrize("scopes", BUTTONS)
def test_the_worklist_has_the_buttons_that_the_key_opens(browser, guarded, scopes) -> None:
    service, keys = guarded
    context = browser.new_context(base_url=service.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Key").fill(keys["+".join(scopes)])
    page.get_by_role("button", name="Log in").click()
    for name in ("over", "waiting"):
        row(page, name).wait_for()
    found = {button.get_attribute("aria-label") for button in page.locator("#rows button").all()}
    assert found == BUTTONS[scopes]
    assert page.locator("#drop").is_visible() == bool({"submit", "admin"} & set(scopes))
    context.close()
