"""Clients that would rather speak another protocol lose nothing of their request."""

import itertools
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import uvicorn

from app.api.middleware.http_protocol import impatient
from tests.api.answers import check_problem
from tests.service import until

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
BODY = bytes(range(256)) * 700  # more than one read of the server
CHUNKED = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:1], BODY[1:70_000], BODY[70_000:]))
FRAMINGS = {
    "length": (b"Content-Length: %d\r\n" % len(BODY), BODY),
    "chunked": (b"Transfer-Encoding: chunked\r\n", CHUNKED + b"0\r\n\r\n"),
}


async def mirror(scope, receive, send):
    """Answers with what it was asked, and the hash of the body that came."""
    digest, more = sha256(), True
    while more:
        message = await receive()
        digest.update(message.get("body", b""))
        more = message.get("more_body", False)
    said = {
        "method": scope["method"],
        "target": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
        "names": [name.decode() for name, _ in scope["headers"]],
        "sha256": digest.hexdigest(),
    }
    content = json.dumps(said).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Of the service's protocol in front of the mirror."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(mirror, http=impatient(5), ws="none", lifespan="off", log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield listening.getsockname()
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


def exchange(address, *parts, answers=1):
    """(status, document) of each answer; ``parts`` go out as segments of their own."""
    with socket.create_connection(address, timeout=10) as connection, connection.makefile("rb") as stream:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            threading.Event().wait(0.005)  # so that the server reads it alone
        found = []
        for _ in range(answers):
            status, length = int(stream.readline().split()[1]), 0
            while (line := stream.readline()) not in {b"\r\n", b""}:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            found.append((status, json.loads(stream.read(length))))
        return found


def head(framing, wish=H2C, method=b"POST", target=b"/a?b=c"):
    return method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + wish + framing + b"\r\n"


def check(answer, body=BODY, method="POST"):
    status, said = answer
    assert status == 200
    assert (said["method"], said["target"]) == (method, "/a?b=c")
    assert said["sha256"] == sha256(body).hexdigest()
    assert "upgrade" not in said["names"]


@pytest.mark.parametrize("framing", list(FRAMINGS))
@pytest.mark.parametrize("cut", ["none", "after the head", "in the head", "in the body", "in the value", "everywhere"])
def test_a_body_after_a_wish_for_http2_arrives_whole(address, framing, cut):
    header, body = FRAMINGS[framing]
    request = head(header) + body
    end = len(head(header))
    cuts = {
        "none": [],
        "after the head": [end],
        "in the head": [20, end - 3, end - 1],
        "in the body": [end + 1, end + 50_000],
        "in the value": [request.index(b"h2c") + 1],
        "everywhere": list(range(1, end + 3)),
    }[cut]
    edges = [0, *cuts, len(request)]
    check(*exchange(address, *(request[start:stop] for start, stop in itertools.pairwise(edges))))


@pytest.mark.parametrize("framing", list(FRAMINGS))
def test_the_connection_goes_on(address, framing):
    header, body = FRAMINGS[framing]
    whole, get = head(header) + body, head(b"", method=b"GET")
    for parts in ([whole, whole, get], [whole + get + whole], [get + whole, whole]):  # in turn, and pipelined
        for answer, asked in zip(exchange(address, *parts, answers=3), b"".join(parts).split(b"Host")[:3], strict=True):
            is_post = asked.endswith(b"POST /a?b=c HTTP/1.1\r\n")
            check(answer, BODY if is_post else b"", "POST" if is_post else "GET")


@pytest.mark.parametrize(
    "wish",
    [
        b"upgrade: h2c\r\nconnection: http2-settings,upgrade\r\nhttp2-settings: AAMA\r\n",
        b"UPGRADE: H2C\r\nCONNECTION: UPGRADE\r\n",
        b"Upgrade: h2c\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n",
        b"Upgrade: h2c\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n",
        b"Upgrade: h2c, IRC/6.9\r\nConnection: ,Upgrade ,\r\n",
        b"Upgrade: h2c\r\n",
        b"Connection: Upgrade\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
    ],
)
@pytest.mark.parametrize("framing", list(FRAMINGS))
def test_however_it_is_written(address, wish, framing):
    header, body = FRAMINGS[framing]
    first, second = exchange(address, head(header, wish) + body, head(header, b"") + body, answers=2)
    assert (first[0], first[1]["sha256"]) == (second[0], second[1]["sha256"]) == (200, sha256(BODY).hexdigest())


def test_many_wishes_in_one_segment_are_no_recursion(address):
    get = head(b"", b"Connection: Upgrade\r\nUpgrade: a\r\n", method=b"GET")
    for answer in exchange(address, get * 2000, answers=2000):
        check(answer, b"", "GET")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
        b"CONNECT /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head(b"Content-Length: 1\r\nContent-Length: 2\r\n") + b"x",
    ],
)
def test_what_is_no_http_is_told_so_and_ends_the_connection(address, request_bytes):
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request_bytes)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    header, _, body = answer.partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 400 ") and b"application/problem+json" in header
    assert json.loads(body)["code"] == "bad_request"


def test_trailers_are_no_headers(address):
    """They would come after the checks, and past a proxy that says whom a request is from."""
    trailers = b"Authorization: Bearer x\r\nX-Forwarded-For: 192.0.2.1\r\nIdempotency-Key: y\r\n\r\n"
    for wish in (b"", H2C):
        request = head(b"Transfer-Encoding: chunked\r\n", wish) + b"1\r\nx\r\n0\r\n" + trailers
        (answer,) = exchange(address, request)
        check(answer, b"x")
        assert not {"authorization", "x-forwarded-for", "idempotency-key"} & set(answer[1]["names"])


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100,
        head(b"Transfer-Encoding: chunked\r\n", b"") + b"0\r\nX: ",
        head(b"Transfer-Encoding: chunked\r\n", b"") + b"1;name=",
    ],
)
def test_a_header_without_an_end_is_cut_off(address, start):
    with socket.create_connection(address, timeout=10) as connection:
        try:
            connection.sendall(start)
            for _ in range(1000):
                connection.sendall(b"y" * 4096)
            answer = connection.recv(4096)
        except ConnectionError:  # it hung up while more was sent; what it said is lost then
            return
    assert answer.startswith(b"HTTP/1.1 431 ") and b'"code":"too_large"' in answer


def test_headers_may_be_long_and_bodies_far_longer(address):
    long = b"Cookie: " + b"y" * 32_000 + b"\r\n"
    body = BODY * 10
    framing = b"Content-Length: %d\r\n" % len(body)
    for answer in exchange(address, head(framing, long) + body, head(framing, long) + body, answers=2):
        check(answer, body)


def test_a_websocket_is_answered_like_any_unknown_address(service):
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "eA==",
        "Sec-WebSocket-Version": "13",
    }
    check_problem(service.http.get("/none", headers=headers), 404, "not_found")
    assert service.http.get("/v2/health/live", headers=headers).status_code == 200


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no JDK on this machine")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_javas_own_client_uploads_with_its_defaults(service, tissue, framing):
    source, digest = Path(__file__).with_name("Upload.java"), sha256(tissue.read_bytes()).hexdigest()
    command = ["java", "-Xshare:auto", str(source), service.url, str(tissue), framing, "S26-Ü1;x", digest]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        status, text = line.split(" ", 1)
        assert status == "202", line
        assert json.loads(text)["case_id"] == "S26-Ü1;x"
    assert len(done.stdout.splitlines()) == 2


def _curl_speaks_http2() -> bool:
    curl = shutil.which("curl")
    return (
        curl is not None and " HTTP2" in subprocess.run([curl, "-V"], capture_output=True, text=True, check=True).stdout
    )


@pytest.mark.skipif(not _curl_speaks_http2(), reason="there is no curl with HTTP/2 on this machine")
@pytest.mark.parametrize("more", [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]])
def test_curl_that_offers_http2_uploads(service, tissue, more):
    command = [
        "curl",
        "-sS",
        "--http2",
        *more,
        "-F",
        f"slide=@{tissue}",
        "--form-string",
        "case_id=S26-1;A",
        service.url,
    ]
    command[-1] += "/analyze"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["case_id"] == "S26-1;A", done.stdout
