"""Requests are sent again where that may help, and for no longer than one is willing to wait."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.client.retry import OutOfPatienceError
from app.client.service import NotAllowedError, RefusedError, Service


class Scripted(ThreadingHTTPServer):
    """Answers (status, headers, body) in turn, the last one for ever."""

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers, self.asked = list(answers), []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append((time.monotonic(), self.headers.get("authorization")))
        status, headers, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def scripted():
    made = []

    def make(*answers):
        made.append(Scripted(*answers))
        return made[-1]

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def client():
    made = []

    def make(url, patience_s=10.0, key=None):
        made.append(Service(url, key, patience_s))
        return made[-1]

    yield make
    for service in made:
        service.close()


def test_a_full_server_is_asked_again_when_it_says_so(scripted, client):
    server = scripted((429, {"Retry-After": "1"}, {}), (503, {}, {}), (200, {}, {"id": "x"}))
    service = client(server.url, key="secret")
    assert service.insist(lambda: service.http.get("/")).json() == {"id": "x"}
    moments = [moment for moment, _ in server.asked]
    assert len(moments) == 3
    assert moments[1] - moments[0] >= 1
    assert {key for _, key in server.asked} == {"Bearer secret"}


@pytest.mark.parametrize(("status", "body"), [(200, {"live": True}), (502, {}), (503, {})])
def test_a_service_that_rests_is_in_reach(scripted, client, status, body):
    server = scripted((status, {}, body))
    client(server.url).check_reach()
    assert len(server.asked) == 1


def test_a_page_that_comes_with_success_is_no_job(scripted, client):
    service = client(scripted((200, {}, "maintenance")).url)
    with pytest.raises(RefusedError):
        service.job("x")
    with pytest.raises(RefusedError):
        service.result("x")


def test_patience_is_one_for_all_that_is_asked(client):
    service = client("http://127.0.0.1:1", patience_s=1)
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(OutOfPatienceError):
            service.job("x")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("status", "body"), [(404, {}), (200, {}), (200, "welcome")])
def test_another_server_is_not_taken_for_the_service(scripted, client, status, body):
    with pytest.raises(RefusedError):
        client(scripted((status, {}, body)).url).check_reach()


@pytest.mark.parametrize(("status", "kind"), [(422, RefusedError), (401, NotAllowedError), (403, NotAllowedError)])
def test_a_no_is_not_asked_again(scripted, client, status, kind):
    server = scripted((status, {}, {"code": "because", "detail": "No."}))
    service = client(server.url)
    with pytest.raises(kind) as refused:
        service.insist(lambda: service.http.get("/"))
    assert (refused.value.status, refused.value.code, refused.value.message) == (status, "because", "No.")
    assert len(server.asked) == 1


def test_an_answer_that_is_no_problem_document_is_told_by_its_status(scripted, client):
    server = scripted((404, {}, ["odd"]))
    service = client(server.url)
    with pytest.raises(RefusedError, match="404 Not Found") as refused:
        service.insist(lambda: service.http.get("/"))
    assert refused.value.code == "http_404"


def test_patience_ends_where_nobody_answers(scripted, client):
    server = scripted((200, {}, {}))
    server.shutdown()
    server.server_close()
    service = client(server.url, patience_s=1.2)
    began = time.monotonic()
    with pytest.raises(OutOfPatienceError):
        service.insist(lambda: service.http.get("/"))
    assert 1 <= time.monotonic() - began < 8


def test_a_redirect_never_takes_the_key_elsewhere(scripted, client):
    other = scripted((200, {}, {}))
    server = scripted((307, {"Location": other.url}, {}))
    service = client(server.url, key="secret")
    with pytest.raises(RefusedError):
        service.insist(lambda: service.http.get("/"))
    assert other.asked == []
