"""A page whose scripts do not come says so, instead of inviting slides that nobody would take."""

import pytest

from tests.web.browser.acts import open_worklist

DEAD = "The page did not load. Reload it."


@pytest.mark.parametrize("lost", ["js/format.js", "js/worklist/main.js", "vendor/tus/tus.min.js"])
def test_a_worklist_without_one_of_its_scripts_says_so(page, lost: str) -> None:
    page.route(f"**/static/{lost}", lambda route: route.abort())
    page.goto("/")
    page.get_by_text(DEAD).wait_for()
    assert not page.locator("#drop").is_visible()
    page.unroute(f"**/static/{lost}")
    page.get_by_role("link", name="Reload it").click()
    page.locator("#drop").wait_for()
    assert not page.get_by_text(DEAD).is_visible()
    page.complaints.clear()  # tus is missed by the page too


def test_a_slide_page_without_its_viewer_says_so(page) -> None:
    page.route("**/openseadragon.min.js", lambda route: route.abort())
    page.goto("/jobs/none/view")
    page.get_by_text(DEAD).wait_for()
    assert page.get_by_role("link", name="Reload it").is_visible()
    page.complaints.clear()


def test_scripts_that_are_late_are_told_of_until_they_come(page) -> None:
    page.clock.install()
    held = []

    def hold(route) -> None:
        held.append(route)

    page.route("**/static/js/format.js", hold)
    page.goto("/", wait_until="commit")
    page.locator("#drop").wait_for()
    page.clock.run_for(9_000)
    assert not page.get_by_text(DEAD).is_visible()
    page.clock.run_for(2_000)
    page.get_by_text(DEAD).wait_for()
    for route in held:
        route.continue_()
    page.locator("#drop").wait_for()
    assert not page.get_by_text(DEAD).is_visible()


def test_a_page_that_loads_says_nothing(page) -> None:
    open_worklist(page)
    assert not page.get_by_text(DEAD).is_visible()
