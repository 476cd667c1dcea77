"""A person at a browser: a key once, then a cookie, which another site's page can do nothing with."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.api.answers import check_problem
from tests.service import until

ODD_PAGES = [{"Origin": origin} for origin in ("http://[", "http://[::1", "http://x:y", "://", "http://127.0.0.1:1")]
KEYLESS = {"authenticated": True, "required": False, "name": "local", "tenant": "", "csrf": ""}


@pytest.fixture
def browser(guarded_api):
    """A client that keeps cookies, as a browser does."""
    with guarded_api.service.client() as client:
        yield client


def token_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


def log_in(browser, headers) -> str:
    """The session's CSRF token."""
    answer = browser.post("/session", json={"key": token_of(headers)})
    assert answer.status_code == 204, answer.text
    return browser.get("/session").json()["csrf"]


def test_a_key_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_get(guarded_api, browser):
    assert browser.get("/session").json() == {
        "authenticated": False, "required": True, "name": None, "scopes": [], "tenant": None, "csrf": ""
    }  # fmt: skip
    answer = browser.post("/session", json={"key": token_of(guarded_api.keys["viewer"])})
    assert answer.status_code == 204
    words = [word.strip().lower() for word in answer.headers["set-cookie"].split(";")]
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= set(words) and "secure" not in words
    assert token_of(guarded_api.keys["viewer"]) not in answer.headers["set-cookie"]
    seen = browser.get("/session")
    assert seen.headers["cache-control"] == "no-store"
    assert {name: seen.json()[name] for name in ("authenticated", "name", "scopes", "tenant")} == {
        "authenticated": True, "name": "viewer", "scopes": ["read"], "tenant": "lab"
    }  # fmt: skip
    assert browser.get("/jobs").status_code == 200


def test_behind_a_proxy_that_speaks_https_the_cookie_is_for_https_alone(guarded):
    client, key = guarded.service.http, token_of(guarded.keys["viewer"])
    answer = client.post("/session", json={"key": key}, headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in answer.headers["set-cookie"]
    client.cookies.clear()


def test_what_changes_something_needs_the_sessions_token(guarded_api, browser):
    csrf = log_in(browser, guarded_api.keys["lab"])
    body = {"source": {"type": "path", "path": "/nowhere.svs"}}
    for headers in ({}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf[:-1]}):
        check_problem(browser.post("/analyze", json=body, headers=headers), 403, "forbidden")
        check_problem(browser.delete("/jobs/01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11", headers=headers), 403, "forbidden")
        check_problem(browser.delete("/session", headers=headers), 403, "forbidden")
    good = {"X-CSRF-Token": csrf}
    check_problem(browser.post("/analyze", json=body, headers=good), 403, "path_not_allowed")
    for page in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, *ODD_PAGES):
        check_problem(browser.post("/analyze", json=body, headers={**good, **page}), 403, "forbidden")
        check_problem(
            browser.post("/session", json={"key": token_of(guarded_api.keys["lab"])}, headers=page), 403, "forbidden"
        )
    own = {"Origin": str(browser.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    check_problem(browser.post("/analyze", json=body, headers={**good, **own}), 403, "path_not_allowed")


def test_another_session_s_token_does_not_serve(guarded_api, browser):
    with guarded_api.service.client() as other:
        foreign = log_in(other, guarded_api.keys["lab"])
        log_in(browser, guarded_api.keys["lab"])
        check_problem(browser.delete("/session", headers={"X-CSRF-Token": foreign}), 403, "forbidden")


def test_scopes_and_tenant_are_the_keys(guarded_api, browser):
    csrf = log_in(browser, guarded_api.keys["viewer"])
    answer = browser.post("/analyze", json={}, headers={"X-CSRF-Token": csrf})
    check_problem(answer, 403, "forbidden")
    assert "scope" in answer.json()["detail"]
    header = browser.get("/session", headers=guarded_api.keys["other"]).json()  # a header goes before the cookie
    assert (header["name"], header["csrf"]) == ("other", "")
    check_problem(browser.get("/jobs", headers={"Authorization": "Bearer xmag_wrong"}), 401, "unauthenticated")


def test_an_id_that_was_there_before_is_never_taken_over(guarded_api, browser):
    planted = "planted-by-somebody-else-0123456789"
    browser.cookies.set("xmag_session", planted)
    check_problem(browser.get("/jobs"), 401, "unauthenticated")
    browser.cookies.clear()
    log_in(browser, guarded_api.keys["lab"])
    first = browser.cookies["xmag_session"]
    log_in(browser, guarded_api.keys["lab"])
    second = browser.cookies["xmag_session"]
    assert planted not in {first, second} and first != second
    old = guarded_api.service.client().get("/jobs", headers={"Cookie": f"xmag_session={first}"})
    check_problem(old, 401, "unauthenticated")


def test_logging_out_ends_it_on_our_side_too(guarded_api, browser):
    csrf = log_in(browser, guarded_api.keys["lab"])
    cookie = browser.cookies["xmag_session"]
    answer = browser.delete("/session", headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 204
    assert "xmag_session" not in browser.cookies
    assert answer.headers["clear-site-data"] == '"cache"'
    assert guarded_api.service.client().get("/jobs", headers={"Cookie": f"xmag_session={cookie}"}).status_code == 401
    assert browser.delete("/session").status_code == 204


def test_revoking_a_key_ends_its_sessions_at_once(guarded_api, browser):
    token = guarded_api.store.create("short", "lab", ("read",))
    log_in(browser, {"Authorization": f"Bearer {token}"})
    assert browser.get("/jobs").status_code == 200
    guarded_api.store.revoke("short")
    check_problem(browser.get("/jobs"), 401, "unauthenticated")
    assert browser.get("/session").json()["authenticated"] is False


def test_a_tokens_session_ends_with_the_token(guarded_api, browser):
    provider = guarded_api.provider
    token = provider.token(sub="dr-who", ward={"name": "lab"}, exp=int(time.time()) + 3)
    log_in(browser, {"Authorization": f"Bearer {token}"})
    assert browser.get("/session").json()["name"] == "dr-who"
    until(lambda: browser.get("/jobs").status_code == 401)


def test_guessing_is_counted_and_an_ended_session_is_not_a_guess(guarded):
    client, ended = guarded.service.http, {"Cookie": "xmag_session=gone", "X-Forwarded-For": "198.51.100.41"}
    assert {client.get("/jobs", headers=ended).status_code for _ in range(30)} == {401}
    address = {"X-Forwarded-For": "198.51.100.42"}
    statuses = [client.post("/session", json={"key": "xmag_guess"}, headers=address).status_code for _ in range(22)]
    assert statuses[:20] == [401] * 20 and statuses[-1] == 429
    right = client.post("/session", json={"key": token_of(guarded.keys["lab"])}, headers=address)
    assert right.status_code == 204
    client.cookies.clear()


def test_a_form_cannot_log_in(guarded_api, browser):
    key = token_of(guarded_api.keys["lab"])
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = browser.post("/session", content=f'{{"key": "{key}"}}', headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert browser.post("/session", json={"key": key, "more": 1}).status_code == 422


def test_without_keys_nothing_is_asked(api):
    assert api.http.get("/session").json().items() >= KEYLESS.items()
    answer = api.http.post("/session", json={"key": "anything"})
    assert answer.status_code == 204 and "set-cookie" not in answer.headers
    foreign = api.http.post("/session", json={"key": "x"}, headers={"Origin": "https://evil.example"})
    check_problem(foreign, 403, "forbidden")


def test_a_body_that_is_no_key_is_not_kept_in_memory(guarded):
    def peak_mib() -> float:
        status = Path(f"/proc/{guarded.service.pid('api')}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    before = peak_mib()
    flood = (b" " * 2**20 for _ in range(200))
    answer = guarded.service.http.post("/session", content=flood, headers={"Content-Type": "application/json"})
    check_problem(answer, 413, "too_large")
    assert peak_mib() - before < 50


def test_a_session_of_another_version_is_over(guarded_api, browser):
    log_in(browser, guarded_api.keys["viewer"])
    assert browser.get("/jobs").status_code == 200
    queue = guarded_api.service.services.queue.redis.client
    for place in queue.scan_iter(match="*session:*"):
        if (text := queue.get(place)) is not None:  # one that has just ended
            record = json.loads(text)
            record["identity"]["department"] = "pathology"
            queue.set(place, json.dumps(record))
    assert browser.get("/session").json()["authenticated"] is False
    check_problem(browser.get("/jobs"), 401, "unauthenticated")
