"""A service behind keys and tokens, shared by the tests of who may do what: in its own processes, and in the test's."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from app.access.keys import KeyStore
from app.jobs.queue.embedded import ensure_embedded
from tests.api.identity import AUDIENCE, IdentityProvider
from tests.in_process import InProcess
from tests.service import Requests, Service

Kind = TypeVar("Kind", bound=Requests)
SCOPES = {
    "lab": ("lab", ("submit", "read", "erase")),
    "colleague": ("lab", ("submit", "read")),
    "sender": ("lab", ("submit",)),
    "viewer": ("lab", ("read",)),
    "eraser": ("lab", ("erase",)),
    "other": ("clinic", ("submit", "read", "erase")),
    "admin": ("it", ("admin",)),
}
"""Each key's tenant and scopes."""


@dataclass(frozen=True)
class Guarded(Generic[Kind]):
    """The service, its key store, headers for each of its callers, and the OpenID provider that it trusts."""

    service: Kind
    store: KeyStore
    keys: dict[str, dict[str, str]]
    provider: IdentityProvider


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    found = IdentityProvider()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[Guarded[Service]]:
    """In its own processes."""
    data = tmp_path_factory.mktemp("guarded")
    store, keys = _keys(data)
    service = Service(data, **_trusting(provider), trusted_proxies="127.0.0.1").start()
    yield Guarded(service, store, keys, provider)
    assert service.stop() == 0


@pytest.fixture(scope="session")
def guarded_api(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[Guarded[InProcess]]:
    """The same in this process, without a worker and without a proxy."""
    data = tmp_path_factory.mktemp("guarded_api")
    store, keys = _keys(data)
    queue = ensure_embedded(data)
    with InProcess(data, queue.url, **_trusting(provider)) as service:
        yield Guarded(service, store, keys, provider)
    queue.stop()


def _keys(data: Path) -> tuple[KeyStore, dict[str, dict[str, str]]]:
    store = KeyStore(data)
    tokens = {name: store.create(name, tenant, scopes) for name, (tenant, scopes) in SCOPES.items()}
    return store, {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}


def _trusting(provider: IdentityProvider) -> dict[str, str | int]:
    return {
        "oidc_issuer": provider.issuer,
        "oidc_audience": AUDIENCE,
        "oidc_tenant_claim": "ward.name",
        "oidc_leeway_s": 5,
        "upload_max_s": 8,
        "uploads_max": 8,  # two for each key, four for each tenant
    }
