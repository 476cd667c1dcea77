"""Tokens of an OpenID provider against the running service."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.access import jwks
from app.access.oidc import TokenVerifier
from app.errors import IdentityUnavailableError, SetupError, UnauthenticatedError
from app.settings import Settings, load_settings
from tests.api.answers import check_problem
from tests.api.identity import AUDIENCE
from tests.tissue import tissue_slide


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def signed(provider, claims, body: bytes | None = None) -> str:
    """A token with whatever claims, signed rightly: PyJWT refuses to make some of them."""
    body = json.dumps(provider.claims() | claims).encode() if body is None else body
    text = f"{encoded(json.dumps({'alg': 'RS256', 'typ': 'JWT', 'kid': 'first'}).encode())}.{encoded(body)}"
    mac = provider.keys["first"].sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{encoded(mac)}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_opens_what_its_scopes_and_tenant_say(guarded, provider, tmp_path):
    check_problem(guarded.service.http.get("/jobs"), 401, "unauthenticated")
    slide = tissue_slide(tmp_path / "s.svs")
    mine = bearer(provider.token())
    job_id = guarded.service.post(slide, mine).json()["id"]
    assert guarded.service.http.get(f"/jobs/{job_id}", headers=mine).status_code == 200
    colleague = bearer(provider.token(sub="u-2", scope="xmag:read"))
    assert guarded.service.http.get(f"/jobs/{job_id}", headers=colleague).status_code == 200
    check_problem(guarded.service.post(slide, colleague), 403, "forbidden")
    stranger = bearer(provider.token(ward={"name": "clinic"}))
    check_problem(guarded.service.http.get(f"/jobs/{job_id}", headers=stranger), 404, "job_not_found")
    curve = bearer(provider.token(kid="curve", key=provider.curve, algorithm="ES256", typ="at+jwt"))
    assert guarded.service.http.get(f"/jobs/{job_id}", headers=curve).status_code == 200
    for key, status in (("admin", 200), ("lab", 404)):  # keys go on beside tokens, and tenants are the same for both
        assert guarded.service.http.get(f"/jobs/{job_id}", headers=guarded.keys[key]).status_code == status


def test_no_other_token_opens_anything(guarded, provider):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = int(time.time())
    good = provider.token()
    head, body, mac = good.split(".")
    bad = {
        "another signer": provider.token(key=stranger),
        "unknown key": provider.token(kid="nobody"),
        "another issuer": provider.token(iss="https://evil.example"),
        "another audience": provider.token(aud="pacs"),
        "no audience": provider.token(aud=None),
        "expired": provider.token(exp=now - 60),
        "never expires": provider.token(exp=None),
        "not yet": provider.token(nbf=now + 60),
        "nobody": provider.token(sub=None),
        "unsigned": provider.unsigned(),
        "algorithm confusion": provider.confused(),
        "not allowed": provider.token(algorithm="RS512"),
        "key of another kind": provider.token(kid="curve"),
        "another type": provider.token(typ="logout+jwt"),
        "signature cut": f"{head}.{body}.",
        "body changed": f"{head}.{body[:-2]}AA.{mac}",
        "garbage": "a.b.c",
        "long": "x" * 20_000,
    }
    for number, (what, token) in enumerate(bad.items()):
        headers = {**bearer(token), "X-Forwarded-For": f"192.0.2.{number}"}
        answer = guarded.service.http.get("/jobs", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), what
    assert (
        guarded.service.http.get("/jobs", headers=bearer(provider.token(exp=now - 2))).status_code == 200
    )  # within the leeway
    assert guarded.service.http.get("/jobs", headers=bearer(good)).status_code == 200


ODD_CLAIMS = [
    *({"exp": exp} for exp in (10**400, -(10**400), float("inf"), float("nan"), -1, 0, 1e300)),
    *({"exp": exp} for exp in ("soon", "9" * 12, [], {}, True)),
    *({"nbf": nbf} for nbf in (10**400, float("inf"), "later", [1], {})),
    *({"iat": iat} for iat in (10**400, float("-inf") * -1, "x", [])),
    *({"sub": sub} for sub in ("", 7, ["u-1"], {"u": 1}, "\ud800", "x\udfff")),
    *({"aud": aud} for aud in (7, [7], {}, [["xmag"]])),
    *({"iss": iss} for iss in (7, ["https://evil.example"])),
]  # fmt: skip


@pytest.mark.parametrize("claims", ODD_CLAIMS, ids=lambda claims: str(claims)[:40])
def test_claims_that_make_no_sense_are_refused_on_every_way_in(guarded, provider, claims):
    token, http = signed(provider, claims), guarded.service.http
    address = {"X-Forwarded-For": f"198.18.0.{ODD_CLAIMS.index(claims)}"}
    for answer in (
        http.get("/jobs", headers={**bearer(token), **address}),
        http.get("/session", headers={**bearer(token), **address}),
        http.post("/session", json={"key": token}, headers=address),
    ):
        check_problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("ward", [7, [], {}, "", "\ud800", "x" * 201])
def test_a_tenant_that_makes_no_sense_is_none(guarded, provider, ward):
    token = signed(provider, {"ward": {"name": ward}})
    check_problem(guarded.service.http.get("/jobs", headers=bearer(token)), 403, "forbidden")


@pytest.mark.parametrize("scope", [7, {"xmag:read": 1}, [["xmag:read"]], [None, {}]])
def test_scopes_that_make_no_sense_open_nothing(guarded, provider, scope):
    token = signed(provider, {"scope": scope})
    check_problem(guarded.service.http.get("/jobs", headers=bearer(token)), 403, "forbidden")


def test_tokens_that_are_nested_without_end_are_refused(guarded, provider):
    deep = b"[" * 5000 + b"]" * 5000
    headers = [b'{"alg":"RS256","kid":"first","x":%b}' % deep, b'{"alg":["RS256"],"kid":7}', b"[]", b"7", deep, b"\xff"]
    tokens = [f"{encoded(header)}.{encoded(b'{}')}.AAAA" for header in headers]
    tokens.append(signed(provider, {}, body=b'{"exp":%b}' % deep))
    for token in tokens:
        answer = guarded.service.http.get("/jobs", headers={**bearer(token), "X-Forwarded-For": "198.18.1.1"})
        check_problem(answer, 401, "unauthenticated")


def test_a_token_without_our_scopes_or_a_tenant_may_nothing(guarded, provider):
    for token in (
        provider.token(scope="admin read submit erase"),
        provider.token(scope=None),
        provider.token(ward=None),
    ):
        check_problem(guarded.service.http.get("/jobs", headers=bearer(token)), 403, "forbidden")


@pytest.fixture
def verifier(provider):
    def make(**changes):
        settings = Settings(oidc_issuer=provider.issuer, oidc_audience=AUDIENCE, **changes)
        return TokenVerifier(settings, provider.issuer)

    return make


def test_a_new_key_is_looked_up_but_not_as_often_as_anybody_likes(provider, verifier, monkeypatch):
    verify = verifier().verify
    verify(provider.token())
    before = provider.asked
    provider.keys["second"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    monkeypatch.setattr(jwks, "REFRESH_PAUSE_S", 0.0)
    verify(provider.token(kid="second"))
    assert provider.asked == before + 1
    monkeypatch.setattr(jwks, "REFRESH_PAUSE_S", 30.0)

    def refused(number):
        with pytest.raises(UnauthenticatedError):
            verify(provider.token(kid=f"made-up-{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(refused, range(40)))
    assert provider.asked == before + 1


def test_keys_outlast_a_provider_that_is_away_but_not_for_ever(provider, verifier, monkeypatch):
    verify = verifier().verify
    provider.is_down = True
    try:
        with pytest.raises(IdentityUnavailableError):
            verify(provider.token())
        monkeypatch.setattr(jwks, "FIRST_PAUSE_S", 0.0)
        provider.is_down = False
        verify(provider.token())
        provider.is_down = True
        monkeypatch.setattr(jwks, "FRESH_S", 0.0)
        monkeypatch.setattr(jwks, "REFRESH_PAUSE_S", 0.0)
        verify(provider.token())
        monkeypatch.setattr(jwks, "KEEP_S", 0.0)
        with pytest.raises(IdentityUnavailableError):
            verify(provider.token())
    finally:
        provider.is_down = False


def test_roles_may_lie_deeper_and_be_a_list(provider, verifier):
    verify = verifier(oidc_scope_claim="realm_access.roles", oidc_scope_prefix="slides-").verify
    found = verify(provider.token(realm_access={"roles": ["slides-read", "admin", 7]}))
    assert (found.scopes, found.tenant, found.subject) == (("read",), "default", "u-1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"OIDC_ISSUER": "http://sso.hospital.example", "OIDC_AUDIENCE": "xmag"},
        {"OIDC_ISSUER": "https://sso.hospital.example"},
        {"OIDC_AUDIENCE": "xmag"},
        {"OIDC_ISSUER": "https://sso.hospital.example", "OIDC_AUDIENCE": "xmag", "OIDC_ALGORITHMS": "HS256"},
        {"OIDC_ISSUER": "https://sso.hospital.example", "OIDC_AUDIENCE": "xmag", "OIDC_ALGORITHMS": "none"},
        {"TRUSTED_PROXIES": "everybody"},
    ],
)
def test_settings_that_would_open_the_door_are_refused(monkeypatch, wrong):
    for name, value in wrong.items():
        monkeypatch.setenv(f"XMAG_{name}", value)
    load_settings.cache_clear()
    with pytest.raises(SetupError):
        load_settings()
    load_settings.cache_clear()
