"""Notices by TLS: to whom the server's authorities vouch for, and why not to others."""

import ssl
import subprocess

import pytest

from app.jobs.post import PostError, post_json
from tests.http_server import QuietHandler, serving


@pytest.fixture
def protected(tmp_path):
    """A server by TLS with a certificate that it signed itself: (address, the certificate's file)."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)

    class Handler(QuietHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with serving(Handler, "localhost", context) as address:
        yield f"https://{address}/", tmp_path / "cert.pem"


def test_an_authority_of_the_hospitals_own_is_believed_where_it_is_named(protected, monkeypatch):
    address, certificate = protected
    with pytest.raises(PostError, match=r"SSLCertVerificationError.*self-signed certificate"):
        post_json(address, b"{}", {}, 5, ssl.create_default_context())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    post_json(address, b"{}", {}, 5, ssl.create_default_context())


def test_who_does_not_answer_is_told_apart(protected):
    address = protected[0].replace("https", "http")
    with pytest.raises(PostError, match="no answer"):
        post_json(address, b"{}", {}, 5, ssl.create_default_context())
    with pytest.raises(PostError, match="refused"):
        post_json("http://localhost:1/", b"{}", {}, 5, ssl.create_default_context())
    with pytest.raises(PostError, match=r"gaierror"):
        post_json("http://nobody.invalid/", b"{}", {}, 5, ssl.create_default_context())
