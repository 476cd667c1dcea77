"""Readers for people who look at slides: one slide that takes for ever keeps nobody else waiting."""

import os
import signal
import sys
import threading
from contextlib import suppress

import httpx
import pytest

from app.api.viewing import WAITING_MAX
from tests.api.answers import check_problem
from tests.api.routes.test_deepzoom import children
from tests.service import until
from tests.tissue import tissue_slide

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are listed in /proc, which Linux has")


class Flood:
    """Requests for tiles of a slide, each in a thread; ``statuses`` are the answers so far."""

    def __init__(self, url: str, headers: dict[str, str], job_id: str) -> None:
        self.statuses: list[int] = []
        self._client = httpx.Client(base_url=url, headers=headers, timeout=120, limits=httpx.Limits())
        self._job_id, self._threads = job_id, list[threading.Thread]()

    def ask(self, count: int) -> None:
        for _ in range(count):
            place = f"12/{len(self._threads) % 12}_{len(self._threads) // 12}"
            path = f"/jobs/{self._job_id}/slide_files/{place}.jpg"
            self._threads.append(threading.Thread(target=self._ask, args=(path,), daemon=True))
            self._threads[-1].start()

    def _ask(self, path: str) -> None:
        self.statuses.append(self._client.get(path).status_code)

    def unanswered(self) -> int:
        return sum(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        for thread in self._threads:
            thread.join(60)
        self._client.close()


def analysed(service, slide, headers) -> str:
    job_id = service.post(slide, headers).json()["id"]
    until(lambda: service.http.get(f"/jobs/{job_id}", headers=headers).json()["state"] == "succeeded", 60)
    return job_id


def test_a_slide_that_hangs_holds_no_reader_that_others_need(guarded, tmp_path):
    service, lab, other = guarded.service, guarded.keys["lab"], guarded.keys["other"]
    hangs, also_mine, anothers = (
        analysed(service, tissue_slide(tmp_path / f"{seed}.svs", side_px=3136, seed=seed), headers)
        for seed, headers in enumerate((lab, lab, other))
    )
    before, frozen = children(service.pid("api")), set[int]()

    def freeze() -> None:
        """A new reader stands still from now on."""
        until(lambda: len(children(service.pid("api")) - before - frozen) == 1)
        (pid,) = children(service.pid("api")) - before - frozen
        os.kill(pid, signal.SIGSTOP)
        frozen.add(pid)

    try:
        assert service.http.get(f"/jobs/{hangs}/slide_files/0/0_0.jpg", headers=lab).status_code == 200
        freeze()
        flood = Flood(service.url, lab, hangs)
        flood.ask(2)
        until(lambda: flood.statuses == [200])  # by a second reader; the other hangs
        freeze()
        flood.ask(WAITING_MAX + 10)
        until(lambda: 503 in flood.statuses)  # who asks for more than can wait is told at once
        check_problem(service.http.get(f"/jobs/{hangs}/slide_files/11/0_0.jpg", headers=lab), 503, "viewer_busy")
        assert flood.unanswered() > 0
        tile = "slide_files/12/1_1.jpg"
        for job_id, headers in ((anothers, other), (also_mine, lab), (hangs, guarded.keys["viewer"])):
            assert service.http.get(f"/jobs/{job_id}/{tile}", headers=headers).status_code == 200
        assert service.post(tissue_slide(tmp_path / "n.svs", seed=9), other).status_code == 202
    finally:
        for pid in frozen:
            with suppress(ProcessLookupError):  # it was ended for giving no answer
                os.kill(pid, signal.SIGCONT)
    flood.close()
