"""The report on paper: the printer's dialog comes, and it is one page."""

import re

from tests.service import until
from tests.web.browser.acts import open_slide

PRINTER = "window.print = () => { window.printed = document.readyState; }"


def test_the_report_comes_with_the_printers_dialog(page, finished: str) -> None:
    page.context.add_init_script(PRINTER)
    open_slide(page, finished)
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Print the report").click()
    report = opened.value
    until(lambda: report.evaluate("window.printed") is not None)
    assert report.evaluate("window.printed") == "complete"
    assert report.url.endswith(f"/jobs/{finished}/report.html")
    assert report.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


def test_the_report_is_one_page(page, finished: str) -> None:
    open_slide(page, finished)
    page.goto(page.get_by_role("link", name="Report", exact=True).get_attribute("href"))
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert len(printed) > 20_000
    assert re.findall(rb"/Count (\d+)", printed) == [b"1"]
