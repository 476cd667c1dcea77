"""Uploads are limited in number and in time, so that clients that dawdle cannot use the service up."""

import socket
import time
from contextlib import ExitStack

import pytest

from tests.api.answers import check_problem
from tests.service import until
from tests.tissue import tissue_slide

HEAD = (
    b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Length: 100000\r\n"
    b"Content-Type: %s\r\n\r\n"
)
FORM = b'--x\r\nContent-Disposition: form-data; name="slide"; filename="s.svs"\r\n\r\n'


@pytest.fixture
def closing_later():
    with ExitStack() as stack:
        yield stack


def dripping_upload(service, headers, stack):
    """A connection that has sent the start of a form with a slide; the answer is yet to come."""
    connection = socket.create_connection((service.http.base_url.host, service.http.base_url.port), timeout=30)
    connection.sendall(HEAD % (headers["Authorization"].encode(), b"multipart/form-data; boundary=x") + FORM)
    return stack.enter_context(connection)


def is_answered(connection) -> bool:
    """Whether the server said anything, or hung up."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


def test_idle_uploads_of_one_key_refuse_no_other_key_and_no_other_tenant(guarded, tmp_path, closing_later):
    service, slide = guarded.service, tissue_slide(tmp_path / "s.svs")
    flood, before_all = [], service.job_folders()
    while not flood or not is_answered(flood[-1]):  # as many as the key gets, and one more, which is refused
        before = len(service.job_folders())
        flood.append(dripping_upload(service, guarded.keys["lab"], closing_later))
        until(lambda n=before: len(service.job_folders()) > n or is_answered(flood[-1]))
    assert len(flood) == 3
    check_problem(service.post(slide, guarded.keys["lab"]), 429, "queue_full")
    accepted = [service.post(slide, headers) for headers in (guarded.keys["colleague"], guarded.keys["other"])]
    assert [answer.status_code for answer in accepted] == [202, 202]
    assert not any(is_answered(connection) for connection in flood[:-1])  # they were still there
    closing_later.close()
    until(lambda: service.job_folders() == before_all | {answer.json()["id"] for answer in accepted})


def test_uploads_that_drip_are_cut_off_and_others_are_told_to_wait(guarded, tmp_path, closing_later):
    service, lab = guarded.service, guarded.keys["lab"]
    before, slide = service.job_folders(), tissue_slide(tmp_path / "s.svs")
    address = (service.http.base_url.host, service.http.base_url.port)
    dripping = [closing_later.enter_context(socket.create_connection(address, timeout=30)) for _ in range(3)]
    bodies = [
        (b"multipart/form-data; boundary=x", FORM),
        (b"multipart/form-data; boundary=x", FORM),
        (b"application/json", b"{"),
    ]
    for connection, (kind, start) in zip(dripping, bodies, strict=True):
        connection.sendall(HEAD % (lab["Authorization"].encode(), kind) + start)
    until(lambda: len(service.job_folders()) == len(before) + 2)
    answer = service.post(slide, lab)
    check_problem(answer, 429, "queue_full")
    assert int(answer.headers["retry-after"]) > 0
    began = time.monotonic()
    answers = [b"", b"", b""]
    while not all(b"XMAG_UPLOAD_MAX_S" in answer for answer in answers):
        assert time.monotonic() - began < 30
        for number, connection in enumerate(dripping):
            connection.settimeout(0.2)
            try:
                answers[number] += connection.recv(65536)
                connection.sendall(b"A")  # never silent: only the time in all gives it away
            except TimeoutError:
                continue
            except OSError:  # the server hung up after its answer
                assert answers[number]
    for said in answers:
        assert b"408" in said.split(b"\r\n")[0]
    for connection in dripping:
        connection.close()
    until(lambda: service.job_folders() == before)
    assert service.post(slide, lab).status_code == 202
