"""An upload over a line that breaks: what arrived is not sent again."""

import contextlib
import socket
import socketserver
import threading

from app.client.service import Service
from app.client.upload import submit
from tests.slides.make_slide import write_svs
from tests.tissue import paint_tissue


class BreakingLine(socketserver.ThreadingTCPServer):
    """Carries bytes to a service and back, and cuts each of the first ``breaks`` connections after so many bytes."""

    daemon_threads = False  # closing waits for them, so that no socket is left behind

    def __init__(self, port, breaks, after_bytes):
        super().__init__(("127.0.0.1", 0), Carrier)
        self.port, self.breaks, self.after_bytes, self.carried = port, breaks, after_bytes, 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Carrier(socketserver.BaseRequestHandler):
    def handle(self):
        line = self.server
        limit = line.after_bytes if line.breaks > 0 else None
        line.breaks -= 1
        with socket.create_connection(("127.0.0.1", line.port)) as there:
            back = threading.Thread(target=carry, args=(there, self.request, None, lambda _: None))
            back.start()
            carry(self.request, there, limit, self.count)
            back.join()

    def count(self, sent):
        self.server.carried += sent


def carry(source, sink, limit, count):
    """From one to the other until either ends or ``limit`` is reached; then both are cut."""
    done = 0
    with contextlib.suppress(OSError):
        while (limit is None or done < limit) and (data := source.recv(65536)):
            sink.sendall(data)
            done += len(data)
            count(len(data))
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def test_a_line_that_breaks_twice_does_not_begin_anew(service, tmp_path):
    slide = write_svs(tmp_path / "raw.svs", paint_tissue(1100, 1100, seed=11), 2.0, levels=(1, 4), compression="raw")
    size = slide.stat().st_size
    assert size > 3_500_000
    told = []
    with BreakingLine(int(service.url.rpartition(":")[2]), breaks=2, after_bytes=1_700_000) as line:
        client = Service(line.url, None, patience_s=30)
        try:
            job = submit(client, slide, {"slide_id": "broken"}, "a-broken-line", told.append)
        finally:
            client.close()
            line.shutdown()
    assert line.breaks < 0
    assert told[-1] == size
    # the service writes by mebibytes: what a break catches between two of them is sent again, and no more
    assert line.carried < size + 2 * 1_200_000
    assert service.wait(job.id)["state"] == "succeeded"
