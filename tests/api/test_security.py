"""The guard by value: what no client in a test can do from this machine."""

import asyncio

import pytest

from app.api.security import Guard
from app.keys import KeyStore


def answer(keys, client, **headers) -> int:
    """Status of a GET from ``client`` with ``headers``."""
    statuses = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/jobs",
        "client": client,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
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


@pytest.mark.parametrize("origin", ["null", "http://[x", "https://evil.example", "file://"])
def test_a_foreign_page_is_refused(tmp_path, origin):
    assert answer(KeyStore(tmp_path), ("127.0.0.1", 5000), host="localhost", origin=origin) == 403


def test_losing_the_keys_opens_no_door(tmp_path):
    keys = KeyStore(tmp_path)
    keys.create("lab", "lab", ("read",))
    assert keys.in_use()
    (tmp_path / "keys.json").unlink()
    assert keys.in_use()
