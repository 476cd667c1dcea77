"""The API killed where it hurts most: in mid-upload, around its 202, and while somebody takes a result away."""

import random
import socket
import time

from tests.chaos.house import House, kill
from tests.chaos.ledger import Ledger
from tests.service import until

ROUNDS = 2


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """Each moment ``ROUNDS`` times; whoever was cut off asks again with the same Idempotency-Key."""
    done = house.submit(ledger, "large")
    house.service.wait(done)
    for number in range(ROUNDS):
        for moment in (_in_mid_upload, _before_the_answer, _after_the_202, _in_mid_result):
            moment(house, ledger, rng, f"{moment.__name__}-{number}", done)
    before = {asked.job_id for asked in ledger.asked}
    until(lambda: house.service.job_folders() == before, 40)  # what the broken uploads left is cleared away


def _kill(house: House, ledger: Ledger, when: str) -> None:
    pid = house.service.pid("api")
    kill(pid)
    ledger.fault(f"API killed {when} (SIGKILL)")
    until(lambda: house.service.pid("api") != pid, 30)


def _in_mid_upload(house: House, ledger: Ledger, rng: random.Random, key: str, done: str) -> None:
    data = _request(house, "large", key)
    before = house.service.job_folders()
    with _connect(house) as connection:
        connection.sendall(data[: rng.randrange(len(data) // 4, len(data) - 1000)])
        until(lambda: house.service.job_folders() != before, 20)
        _kill(house, ledger, "in mid-upload")
    house.submit(ledger, "large", key=key)


def _before_the_answer(house: House, ledger: Ledger, rng: random.Random, key: str, done: str) -> None:
    with _connect(house) as connection:
        connection.sendall(_request(house, "large", key))
        time.sleep(rng.uniform(0, 0.1))
        _kill(house, ledger, "before or while it answers an upload")
    house.submit(ledger, "large", key=key)


def _after_the_202(house: House, ledger: Ledger, rng: random.Random, key: str, done: str) -> None:
    with _connect(house) as connection:
        connection.sendall(_request(house, "large", key))
        if not connection.recv(12).endswith(b"202"):
            ledger.find("an upload was not accepted")
        _kill(house, ledger, "right after the 202")
    on_disk = house.service.job_folders()
    house.submit(ledger, "large", key=key)
    if house.service.job_folders() - on_disk:  # what an upload cut off before had left may go meanwhile
        ledger.find("a job that was answered with 202 was made a second time")


def _in_mid_result(house: House, ledger: Ledger, rng: random.Random, key: str, done: str) -> None:
    path = f"/jobs/{done}/heatmap.png"
    whole = house.get(path).content
    with _connect(house, receive_bytes=4096) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        connection.recv(512)
        _kill(house, ledger, "while it streams a result")
    if house.get(path).content != whole:
        ledger.find("a result that was being read when the API died is another now")


def _connect(house: House, receive_bytes: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(60)
    connection.connect((house.service.http.base_url.host, house.service.http.base_url.port))
    return connection


def _request(house: House, slide: str, key: str) -> bytes:
    """The bytes of the very request that the patient client sends too, so that its key stands for the same."""
    request = house.service.http.build_request(
        "POST",
        "/analyze",
        files={"slide": (house.slides[slide].name, house.slides[slide].read_bytes())},
        headers={"Idempotency-Key": key},
    )
    head = [f"POST /analyze HTTP/1.1\r\nHost: {request.headers['host']}\r\n"]
    names = ("content-type", "content-length", "idempotency-key")
    head += [f"{name}: {request.headers[name]}\r\n" for name in names]
    return "".join([*head, "\r\n"]).encode() + request.read()
