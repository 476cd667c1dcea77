"""docker/proxy.sh with stand-ins for `caddy` and `certificate.sh`: what the Caddyfile is given."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from tests.service import ROOT


def environment_of_caddy(tmp_path, **settings: str) -> dict[str, str]:
    for name, text in (("caddy", "env -0"), ("certificate.sh", "true")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **settings}
    said = subprocess.check_output([ROOT / "docker" / "proxy.sh"], env=environment, text=True)
    return dict(line.split("=", 1) for line in said.split("\0") if line)


def test_all_that_the_caddyfile_asks_for_is_given(tmp_path):
    asked = set(re.findall(r"\{\$(\w+)\}", (ROOT / "docker" / "Caddyfile").read_text()))
    assert len(asked) == 3
    assert asked <= set(environment_of_caddy(tmp_path))


def test_outer_proxies_are_none_unless_named_and_then_a_list_of_words(tmp_path):
    assert environment_of_caddy(tmp_path)["XMAG_OUTER_PROXIES"] == ""
    named = environment_of_caddy(tmp_path, XMAG_OUTER_PROXIES="10.0.0.5,10.0.1.0/24")
    assert named["XMAG_OUTER_PROXIES"].split() == ["10.0.0.5", "10.0.1.0/24"]


@pytest.mark.skipif(not shutil.which("caddy") or not shutil.which("openssl"), reason="caddy and openssl are needed")
def test_http_2_is_not_offered(tmp_path):
    """By the TLS handshake (ALPN) of a real Caddy with our Caddyfile."""
    request = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key",
        "-out",
        "crt",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(["openssl", *request, "-days", "1"], cwd=tmp_path, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (ROOT / "docker" / "Caddyfile").read_text().replace(":8443", f"127.0.0.1:{port}")
    (tmp_path / "Caddyfile").write_text(text.split(":8080")[0])
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XMAG_TLS_FILES": f"{tmp_path}/crt {tmp_path}/key",
        "XMAG_PROXY_MAX_BYTES": "1000",
        "XMAG_OUTER_PROXIES": "",
    }
    with (tmp_path / "log").open("w") as log:
        command = ["caddy", "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
        caddy = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        assert _chosen(port, tmp_path / "log") == "http/1.1"
    finally:
        caddy.terminate()
        caddy.wait(timeout=30)


def _chosen(port: int, log) -> str | None:
    """The protocol that the server chooses of HTTP/2 and HTTP/1.1."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    for _ in range(300):
        try:
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as line,
            ):
                return line.selected_alpn_protocol()
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
