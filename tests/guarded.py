"""A service behind keys and tokens, shared by the tests of who may do what."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.access.keys import KeyStore
from tests.api.identity import AUDIENCE, IdentityProvider
from tests.service import Service


@dataclass(frozen=True)
class Guarded:
    """The service, its key store, headers for each of its callers, and the OpenID provider that it trusts."""

    service: Service
    store: KeyStore
    keys: dict[str, dict[str, str]]
    provider: IdentityProvider


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    found = IdentityProvider()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("guarded")
    store = KeyStore(data)
    tokens = {
        "lab": store.create("lab", "lab", ("submit", "read", "erase")),
        "colleague": store.create("colleague", "lab", ("submit", "read")),
        "sender": store.create("sender", "lab", ("submit",)),
        "viewer": store.create("viewer", "lab", ("read",)),
        "eraser": store.create("eraser", "lab", ("erase",)),
        "other": store.create("other", "clinic", ("submit", "read", "erase")),
        "admin": store.create("admin", "it", ("admin",)),
    }
    service = Service(
        data,
        trusted_proxies="127.0.0.1",
        oidc_issuer=provider.issuer,
        oidc_audience=AUDIENCE,
        oidc_tenant_claim="ward.name",
        oidc_leeway_s=5,
        upload_max_s=8,
        uploads_max=8,  # two for each key, four for each tenant
    ).start()
    keys = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
    yield Guarded(service, store, keys, provider)
    assert service.stop() == 0
