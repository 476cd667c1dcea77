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


def test_an_answer_that_is_lost_is_asked_for_again_and_makes_one_job(page, hospital, slides_dir: Path) -> None:
    data = (slides_dir / "fix_cmu1_small_region.svs").read_bytes()
    cut = []

    def lose_two_answers(route) -> None:
        if len(cut) == 2:
            route.continue_()
            return
        cut.append(route.fetch().status)
        page.wait_for_timeout(200)
        route.abort()

    open_worklist(page)
    page.route("**/analyze", lose_two_answers)
    drop(page, "asked_again.svs", data)
    row(page, "asked_again").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    assert cut == [202, 202]
    assert len(hospital.http.get("/jobs", params={"slide_id": "asked_again"}).json()["jobs"]) == 1


def test_a_line_that_is_cut_is_told_of(page, slides_dir: Path) -> None:
    data = (slides_dir / "fix_cmu1_small_region.svs").read_bytes()
    open_worklist(page)
    page.context.set_offline(True)
    drop(page, "cut_off.svs", data)
    page.get_by_text("connection lost, waiting").wait_for()
    assert "/s" not in row(page, "cut_off").inner_text()
    page.context.set_offline(False)
    row(page, "cut_off").locator(".state.succeeded").wait_for(timeout=60 * SECONDS)
    assert page.get_by_text("connection lost").count() == 0
