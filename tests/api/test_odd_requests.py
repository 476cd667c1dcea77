"""Odd requests, legal and not, as they come over the line: each is right, or refused with its reason."""

import json
from hashlib import sha256

import pytest

from tests.api.answers import raw_answer

FORM = "Content-Type: multipart/form-data; boundary=b"
MULTIPART = "MULTIPART/FORM-DATA;BOUNDARY=b"
JSON = "Content-Type: application/json"


def ask(service, line, *heads, body=b"", length=True):
    """(status, what the body says as JSON)."""
    host = service.url.removeprefix("http://")
    sized = [f"Content-Length: {len(body)}"] if body and length else []
    head = "\r\n".join([line, f"Host: {host}", "Connection: close", *heads, *sized, "", ""])
    start, _, text = raw_answer(host, head.encode() + body).partition("\r\n\r\n")
    return int(start.split()[1]), json.loads(text) if text.startswith("{") else text


def form(slide, *fields, head='name="slide"; filename="s.svs"'):
    parts = [(head, slide), *fields]
    texts = (b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (of.encode(), value) for of, value in parts)
    return b"".join(texts) + b"--b--\r\n"


KINDS = ['multipart/form-data; boundary="b"; charset=utf-8', " multipart/form-data ; boundary=b;", MULTIPART]
NAMES = ["", "../../etc/passwd.svs", "C:\\x\\s.svs", "a" * 3000 + ".svs", "s.svs:Zone.Identifier"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_form_is_a_form_whatever_the_files_name(service, kind, name):
    slide = bytes(range(256)) * 500
    body = form(slide, ("name=sha256", b"0" * 64), head=f'name="slide"; filename="{name}"')
    status, problem = ask(service, "POST /analyze HTTP/1.1", f"Content-Type: {kind}", body=body)
    assert (status, problem["code"]) == (422, "digest_mismatch")
    assert sha256(slide).hexdigest() in problem["detail"]  # it was read to its end


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("multipart/form-data.; boundary=b", 415, "upload_type"),
        ("multipart/mixed; boundary=b", 415, "upload_type"),
        ("text/json", 415, "upload_type"),
        ("multipart/form-data; boundary=c; boundary=b", 400, "upload_broken"),
    ],
)
def test_other_media_types(service, kind, status, code):
    found, body = ask(service, "POST /analyze HTTP/1.1", f"Content-Type: {kind}", body=form(b"x"))
    assert (found, body["code"]) == (status, code)


@pytest.mark.parametrize("mpp", [b"0,25", b"0x2", b"2_0e-1", b"1e999", "\u0662".encode(), b"inf", b"2 0"])
def test_what_is_no_number_is_none(service, mpp):
    body = form(b"x", ("name=mpp", mpp))
    status, problem = ask(service, "POST /analyze HTTP/1.1", FORM, body=body)
    assert (status, problem["code"]) == (422, "request_invalid") and "mpp" in problem["detail"]


@pytest.mark.parametrize(
    "document",
    [
        b'{"mpp": 1e999}',
        b'{"mpp": 1' + b"0" * 400 + b"}",
        b'{"\\ud800": 1}',
        b'{"context": "\\ud800"}',
        b'{"source": {"type": "\\ud800"}}',
        b'{"source": {"type": "path", "path": "/\\ud800"}}',
        b"[]",
        b"null",
        b'""',
    ],
)
def test_odd_documents(service, document):
    status, problem = ask(service, "POST /analyze HTTP/1.1", JSON, body=document)
    assert (status, problem["code"]) == (422, "request_invalid") and problem["detail"]


@pytest.mark.parametrize(
    ("line", "heads", "body", "status"),
    [
        ("GET http://elsewhere.example/v2/health/live HTTP/1.1", (), b"", 200),
        ("GET /v2/health/live#part HTTP/1.1", (), b"", 200),
        ("GET /jobs/%00 HTTP/1.1", (), b"", 404),
        ("GET /jobs/%FF HTTP/1.1", (), b"", 404),
        ("GET /jobs/%zz HTTP/1.1", (), b"", 404),
        ("GET /jobs/a%2Fb HTTP/1.1", (), b"", 404),
        ("GET /static/%2e%2e/main.py HTTP/1.1", (), b"", 404),
        ("GET /static/js/%00 HTTP/1.1", (), b"", 404),
        ("HEAD /analyze HTTP/1.1", (), b"", 405),
        ("TRACE /jobs HTTP/1.1", (), b"", 405),
        ("get /jobs HTTP/1.1", (), b"", 400),
        ("GET jobs HTTP/1.1", (), b"", 400),
        ("GET /static/js/api.js HTTP/1.1", ("Range: lines=1-2",), b"", 400),
        ("GET /static/js/api.js HTTP/1.1", ("Range: bytes=5-1",), b"", 400),
        ("GET / HTTP/1.1", ("Range: nonsense",), b"", 400),
        ("GET /docs HTTP/1.1", ("Range: bytes=0-1,3-4",), b"", 206),
        ("GET /static/js/api.js HTTP/1.1", ("Range: bytes=0-9",), b"", 206),
        ("GET /static/js/api.js HTTP/1.1", ("Range: bytes=0-9", "Range: bytes=5-9"), b"", 206),
        ("POST /analyze HTTP/1.1", (JSON, "Content-Length: 2", "Content-Length: 2"), b"{}", 400),
        ("POST /analyze HTTP/1.1", (JSON, "Content-Length: 2, 2"), b"{}", 400),
        ("POST /analyze HTTP/1.1", (JSON, "Content-Length: +2"), b"{}", 400),
        ("POST /analyze HTTP/1.1", (JSON, "Content-Length: 2", "Transfer-Encoding: chunked"), b"0\r\n\r\n", 400),
        ("POST /analyze HTTP/1.1", (JSON, "Transfer-Encoding: identity"), b"{}", 400),
        ("POST /analyze HTTP/1.0", (FORM,), form(b"x" * 200_000), 400),  # without a length there is no body
    ],
)
def test_odd_lines_and_headers(service, line, heads, body, status):
    assert ask(service, line, *heads, body=body, length=False)[0] == status


@pytest.mark.parametrize(
    ("heads", "status"),
    [
        (("Upload-Checksum: sha1 AAAA",), 422),
        (("Upload-Concat: partial",), 422),
        (("Upload-Defer-Length: 1",), 422),
        (("Upload-Metadata: filename YS5zdnM=,filename Yi56aXA=",), 422),
        (("Content-Type: text/plain",), 415),
        ((), 415),
        (("Content-Type: Application/Offset+Octet-Stream",), 201),
    ],
)
def test_odd_uploads_in_pieces(service, heads, status):
    tus = ("Tus-Resumable: 1.0.0", "Upload-Length: 3")
    assert ask(service, "POST /uploads/ HTTP/1.1", *tus, *heads, body=b"abc")[0] == status
