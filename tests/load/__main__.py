"""`make load`: 200 uploads at a time beside 500 pollers; p99 of a poll, memory, and what is refused."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.load.measure import MIB, grown, use_of
from tests.service import Service
from tests.tissue import tissue_slide

P99_MAX_MS = 250.0
POLL_EVERY_S = 2.0  # what Retry-After asks for
PIECES, PIECE_PAUSE_S = 10, 0.3
CUT_OFF_PAUSE_S = 1.0
QUEUE_MAX = 100


class Load:
    """Clients on plain sockets: 700 of them must not be slower than what they measure."""

    def __init__(self, service: Service, slide: bytes, job_id: str, seconds: float, *, is_patient: bool) -> None:
        self._host, self._port = service.http.base_url.host, int(service.http.base_url.port or 80)
        self._slide, self._job_id, self._end = slide, job_id, time.monotonic() + seconds
        self._is_patient = is_patient
        self.polls_ms = list[float]()
        self.answers: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()

    async def run(self, uploads: int, pollers: int, service: Service) -> list[float]:
        """Both at once; the API's memory, MiB, once a second."""
        clients = [self._upload(i / uploads) for i in range(uploads)] + [
            self._poll(i / pollers) for i in range(pollers)
        ]
        tasks, memory = [asyncio.create_task(client) for client in clients], list[float]()
        while time.monotonic() < self._end:
            memory.append(use_of(service.pid("api")).rss / MIB)
            await asyncio.sleep(1)
        await asyncio.gather(*tasks)
        return memory

    async def _poll(self, share: float) -> None:
        await asyncio.sleep(share * POLL_EVERY_S)
        reader, writer = await asyncio.open_connection(self._host, self._port)
        due = time.monotonic()
        while due < self._end:
            began = time.perf_counter()
            writer.write(f"GET /jobs/{self._job_id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            status, _ = await self._answer(reader)
            self.polls_ms.append((time.perf_counter() - began) * 1000)
            if status != 200:
                self.findings[f"a poll was answered with {status}"] += 1
            due += POLL_EVERY_S  # by the clock: slow answers must not bring the pollers into step
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.close()

    async def _upload(self, share: float) -> None:
        await asyncio.sleep(share * PIECES * PIECE_PAUSE_S)
        form = b'--x\r\nContent-Disposition: form-data; name="slide"; filename="s.svs"\r\n\r\n%s\r\n--x--\r\n'
        body = form % self._slide
        head = f"Host: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n"
        size = -(-len(body) // PIECES)
        while time.monotonic() < self._end:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            answer = asyncio.create_task(self._answer(reader))
            try:
                writer.write(f"POST /analyze HTTP/1.1\r\nConnection: close\r\n{head}\r\n".encode())
                for start in range(0, len(body), size):
                    if answer.done():  # refused before its end
                        break
                    writer.write(body[start : start + size])
                    await writer.drain()
                    await asyncio.wait([answer], timeout=PIECE_PAUSE_S)
            except ConnectionError:
                pass  # the answer says why, if it came through
            pause_s = self._judge(await asyncio.gather(answer, return_exceptions=True))
            writer.close()
            if self._is_patient:
                await asyncio.sleep(min(pause_s, max(0.0, self._end - time.monotonic())))

    def _judge(self, answer: list[tuple[int, dict[str, str]] | BaseException]) -> float:
        """Count the answer; how long the client waits before it comes again."""
        if isinstance(answer[0], ConnectionError | asyncio.IncompleteReadError):
            self.answers["upload cut off, its answer lost"] += 1
            return CUT_OFF_PAUSE_S
        if isinstance(answer[0], BaseException):
            raise answer[0]
        status, headers = answer[0]
        self.answers[f"upload {status}"] += 1
        if status == 429 and "retry-after" not in headers:
            self.findings["429 without Retry-After"] += 1
        if status not in {202, 429}:
            self.findings[f"an upload was answered with {status}"] += 1
        return float(headers.get("retry-after", "0")) if status == 429 else 0.0

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        await reader.readexactly(int(headers["content-length"]))
        return int(first.split()[1]), headers


def main() -> int:
    """Run and print the table; non-zero when a limit is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--uploads", type=int, default=200)
    options.add_argument("--pollers", type=int, default=500)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--impatient", action="store_true", help="come back at once after a 429")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        slide = tissue_slide(Path(name) / "small.svs")
        service = Service(Path(name) / "data", queue_max=QUEUE_MAX, uploads_max=4 * given.uploads).start()
        try:
            load = Load(
                service, slide.read_bytes(), service.submit(slide), given.seconds, is_patient=not given.impatient
            )
            memory = asyncio.run(load.run(given.uploads, given.pollers, service))
            depth = len(list((service.data_dir / "jobs").glob("*/request.json")))
        finally:
            service.stop(timeout_s=90)
    polls = sorted(load.polls_ms)
    p50, p99 = (polls[int(len(polls) * share)] for share in (0.5, 0.99))
    growth = grown("RSS", memory)
    print(f"{given.uploads} uploads at a time, {given.pollers} pollers, {given.seconds:.0f} s, {os.cpu_count()} cores,")
    print(f"load {os.getloadavg()[0]:.1f} (clients included)")
    print(
        f"polls       {len(polls)}, p50 {p50:.0f} ms, p99 {p99:.0f} ({P99_MAX_MS:.0f} wanted), max {polls[-1]:.0f} ms"
    )
    print(
        f"API memory  {memory[0]:.0f} MiB first, {max(memory):.0f} most, {memory[-1]:.0f} last; grown: {growth or 'no'}"
    )
    print(f"accepted    {depth} jobs; answers: {dict(load.answers)}; at most {QUEUE_MAX} may wait")
    print("\n".join(f"{count} times: {finding}" for finding, count in load.findings.items()) or "no findings")
    return int(p99 > P99_MAX_MS or growth is not None or bool(load.findings) or not load.answers["upload 202"])


if __name__ == "__main__":
    sys.exit(main())
