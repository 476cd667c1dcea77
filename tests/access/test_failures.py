"""Refused credentials: past a limit the answer is 429, in bounded memory, and nobody else is locked out."""

from app.access.failures import ADDRESSES_MAX, FailureLimiter
from app.access.keys import KeyStore
from app.settings import Settings
from tests.api.answers import check_problem
from tests.service import Service

FAILURES = Settings().auth_failures_max


def test_guessing_is_slowed_by_address_and_a_right_key_passes(guarded):
    service, good = guarded.service, guarded.keys["lab"]

    def guess(address: str):
        return service.http.get("/jobs", headers={"Authorization": "Bearer xmag_guess", "X-Forwarded-For": address})

    assert [guess("198.51.100.7").status_code for _ in range(FAILURES)] == [401] * FAILURES
    answer = guess("198.51.100.7")
    check_problem(answer, 429, "too_many_failures")
    assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert (
        service.http.get("/jobs", headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 429
    )  # none is no better
    assert guess("198.51.100.8").status_code == 401
    assert service.http.get("/jobs", headers={**good, "X-Forwarded-For": "198.51.100.7"}).status_code == 200


def test_a_chain_of_addresses_cannot_be_made_up(guarded):
    """The proxy's own word, the last in the list, counts; what the client wrote before it does not."""
    service = guarded.service
    statuses = [
        service.http.get("/jobs", headers={"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.9"}).status_code
        for number in range(FAILURES + 2)
    ]
    assert statuses == [401] * FAILURES + [429] * 2


def test_without_a_proxy_a_made_up_address_is_nobodys(tmp_path):
    key = KeyStore(tmp_path / "data").create("lab", "lab", ("read",))
    service = Service(tmp_path / "data").start()
    try:
        wrong = {"Authorization": "Bearer xmag_guess"}
        statuses = [
            service.http.get("/jobs", headers={**wrong, "X-Forwarded-For": f"203.0.113.{number}"}).status_code
            for number in range(FAILURES + 5)
        ]
        assert statuses[:FAILURES] == [401] * FAILURES and statuses[-1] == 429
        logged_in = service.http.post("/session", json={"key": key}, headers={"X-Forwarded-Proto": "https"})
        assert "; Secure" not in logged_in.headers["set-cookie"]
    finally:
        assert service.stop() == 0


def test_memory_is_bounded_and_ipv6_counts_by_network():
    limiter = FailureLimiter(1)
    for number in range(ADDRESSES_MAX + 500):
        limiter.count(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(limiter) == ADDRESSES_MAX
    assert limiter.count("2001:db8::1") is None
    assert limiter.count("2001:db8::ffff:2%eth0") is not None
    assert limiter.count("2001:db8:0:1::1") is None
    assert limiter.count("::ffff:192.0.2.1") is None
    assert limiter.count("192.0.2.1") is not None
    assert limiter.count("no address") is None
    assert limiter.count("") is not None
