"""Clients that never finish a request's header are cut off; others are not."""

import http.client
import socket
import time

import pytest

STARTS = {
    "nothing": b"",
    "a line": b"GET /v2/health/live HTTP/1.1\r\n",
    "half a header": b"GET /v2/health/live HTTP/1.1\r\nHost: local",
}
WHOLE = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
IDLE_S = 2.0  # tests/conftest.py


def connect(service):
    return socket.create_connection((service.http.base_url.host, service.http.base_url.port), timeout=20)


def answer_to_dripping(connection, drip):
    """What comes back while a byte is sent every now and then, and after how long."""
    began, got = time.monotonic(), b""
    connection.settimeout(0.2)
    while time.monotonic() - began < 20:
        try:
            part = connection.recv(4096)
            got += part
            if not part:
                return got, time.monotonic() - began
        except TimeoutError:
            pass
        except ConnectionError:
            return got, time.monotonic() - began
        try:
            connection.sendall(drip)
        except OSError:
            continue
    raise AssertionError("never cut off")


@pytest.mark.parametrize("start", list(STARTS))
def test_a_header_that_drips_is_cut_off(service, start):
    with connect(service) as connection:
        connection.sendall(STARTS[start])
        got, took_s = answer_to_dripping(connection, b"x" if STARTS[start] else b"")
    assert got.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"upload_stalled"' in got
    assert took_s > IDLE_S * 0.8


@pytest.mark.parametrize("drip", [b"G", b"\r\n"])
def test_a_second_request_that_drips_is_cut_off_too(service, drip):
    with connect(service) as connection:
        connection.sendall(WHOLE)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        answer_to_dripping(connection, drip)


def test_requests_on_one_connection_go_on_for_longer_than_a_header_may_take(service):
    connection = http.client.HTTPConnection(service.http.base_url.host, service.http.base_url.port, timeout=20)
    connection.connect()
    first = connection.sock
    for _ in range(4):
        connection.request("GET", "/v2/health/live")
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:5], connection.sock) == (200, b'{"liv', first)
        time.sleep(IDLE_S / 3)
    connection.close()
