"""The guard by value: what no client in a test can do from this machine."""

import asyncio

import pytest

from app.access.keys import KeyStore
from app.api.middleware.local_only import Guard


def answer(keys, client, method="GET", **headers) -> int:
    """Status of a request from ``client`` with ``headers`` (``_`` for ``-``)."""
    statuses = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": method,
        "path": "/jobs",
        "client": client,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(app, keys)(scope, None, send))
    return statuses[0]


@pytest.mark.parametrize("address", ["192.168.1.7", "10.0.0.1", "fe80::1", "8.8.8.8", "not-an-address"])
def test_another_machine_cannot_pass_for_this_one(tmp_path, address):
    keys = KeyStore(tmp_path)
    assert answer(keys, (address, 5000), host="localhost") == 403
    keys.create("lab", "lab", ("read",))
    assert answer(keys, (address, 5000), host="slides.hospital") == 200  # then the key decides


@pytest.mark.parametrize("host", ["evil.example", "[x", "", "localhost.evil.example", "127.0.0.1.evil.example"])
def test_a_foreign_or_malformed_host_is_refused(tmp_path, host):
    assert answer(KeyStore(tmp_path), ("127.0.0.1", 5000), host=host) == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:80"])
def test_this_machine_is_served(tmp_path, host):
    assert answer(KeyStore(tmp_path), ("127.0.0.1", 5000), host=host) == 200
    assert answer(KeyStore(tmp_path), ("::1", 5000), host=host) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null", "http://[x", "http://[", "http://localhost:99999", "https://evil.example", "file://", "",
        "http://localhost:3000", "http://localhost", "https://localhost:8000", "http://127.0.0.1:8000",
        "chrome-extension://localhost", "http://user@localhost:8000", "http://localhost:8000/page",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_page_is_refused(tmp_path, origin, method):
    host = "localhost:8000"
    assert answer(KeyStore(tmp_path), ("127.0.0.1", 5000), method, host=host, origin=origin) == 403


@pytest.mark.parametrize(
    ("host", "origin"),
    [("localhost:8000", "http://localhost:8000"), ("LOCALHOST", "http://localhost:80"), ("[::1]:80", "http://[::1]")],
)
def test_the_services_own_page_is_served(tmp_path, host, origin):
    keys, client = KeyStore(tmp_path), ("127.0.0.1", 5000)
    assert answer(keys, client, "POST", host=host, origin=origin) == 200
    assert answer(keys, client, "POST", host=host, origin=origin, sec_fetch_site="same-origin") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_changes_nothing_and_its_links_open(tmp_path, site):
    keys, client = KeyStore(tmp_path), ("127.0.0.1", 5000)
    for method in ("POST", "PATCH", "DELETE"):
        assert answer(keys, client, method, host="localhost", sec_fetch_site=site) == 403
    assert answer(keys, client, host="localhost", sec_fetch_site=site) == 200


@pytest.mark.parametrize("told", ["192.0.2.7", "127.0.0.1, 192.0.2.7", "192.0.2.7, ::1", "unknown"])
def test_a_proxy_on_this_machine_opens_it_to_no_other(tmp_path, told):
    keys, client = KeyStore(tmp_path), ("127.0.0.1", 5000)
    assert answer(keys, client, host="localhost", x_forwarded_for=told) == 403
    assert answer(keys, client, host="localhost", x_forwarded_for="127.0.0.1, ::1") == 200


def test_losing_the_keys_opens_no_door(tmp_path):
    keys = KeyStore(tmp_path)
    keys.create("lab", "lab", ("read",))
    assert keys.in_use()
    (tmp_path / "keys.json").unlink()
    assert keys.in_use()
