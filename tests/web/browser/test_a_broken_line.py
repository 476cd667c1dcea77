"""An upload in the browser over a line that breaks: taken up again where it was."""

from pathlib import Path

from tests.client.test_upload import BreakingLine
from tests.web.browser.acts import SECONDS, drop, open_worklist, row

CUT_AFTER_BYTES = 1_300_000


def test_an_upload_goes_on_where_it_broke(browser, hospital, slides_dir: Path) -> None:
    data = (slides_dir / "fix_cmu1_small_region.svs").read_bytes()
    assert CUT_AFTER_BYTES < len(data) < 2 * CUT_AFTER_BYTES
    made, offsets = [], []

    def note(request) -> None:
        if "/uploads/" in request.url:
            made.append(request.method)
            if request.method == "PATCH":
                offsets.append(int(request.headers["upload-offset"]))

    with BreakingLine(int(hospital.url.rpartition(":")[2]), breaks=10_000, after_bytes=CUT_AFTER_BYTES) as line:
        context = browser.new_context(base_url=line.url)
        try:
            page = context.new_page()
            page.on("request", note)
            open_worklist(page)
            drop(page, "resumed.svs", data)
            row(page, "resumed").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
        finally:
            context.close()
            line.shutdown()
    assert made.count("POST") == 1
    assert offsets[0] == 0
    assert offsets == sorted(offsets)  # a connection that carried the page before may break before its first byte
    assert 2**20 <= offsets[-1] < len(data)
