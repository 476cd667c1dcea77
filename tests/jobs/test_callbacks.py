import errno
import hashlib
import hmac
import json
import time

import pytest

from app.errors import CallbackNotAllowedError
from app.jobs.callbacks import Callbacks
from app.settings import Settings
from app.slides.identity import DicomIdentity, Specimen
from tests.http_server import QuietHandler, serving
from tests.jobs.requests import committed, outcome

SECRET = "a secret of some length"


@pytest.fixture
def hospital():
    """A server that keeps what it is told and answers as ``statuses`` say (200 in the end)."""
    told, statuses = [], []

    class Handler(QuietHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.path, dict(self.headers), body))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

    with serving(Handler) as host:
        yield host, told, statuses


def callbacks(tmp_path, store, host) -> Callbacks:
    return Callbacks(Settings(data_dir=tmp_path, callback_hosts=(host,), callback_secret=SECRET), store)


def owed(tmp_path, store, host, url):
    """All callbacks, and a job that is over and has not told ``url`` yet."""
    found, request = callbacks(tmp_path, store, host), committed(store, callback_url=url)
    found.promise(request.id, url)
    store.finish(request.id, outcome())
    return found, request


def test_a_notice_comes_once_the_job_is_over_and_is_signed(tmp_path, store, hospital):
    host, told, _ = hospital
    found = callbacks(tmp_path, store, host)
    request = committed(store, case_id="S1", callback_url=f"http://{host}/done?x=1")
    found.promise(request.id, request.callback_url)
    assert found.deliver_due() == 0
    store.finish(request.id, outcome())
    assert found.deliver_due() == 1
    assert found.deliver_due() == 0
    ((path, headers, body),) = told
    notice = json.loads(body)
    assert (path, notice["id"], notice["state"], notice["case_id"]) == ("/done?x=1", request.id, "succeeded", "S1")
    assert abs(int(headers["Xmag-Timestamp"]) - time.time()) < 60
    signed = headers["Xmag-Timestamp"].encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["Xmag-Signature"] == f"sha256={expected}"
    assert json.loads((store.root / request.id / "callback.json").read_text())["delivered"] is True


@pytest.mark.parametrize("where", ["request", "outcome"])
def test_a_notice_names_case_and_slide_as_the_header_does_where_nobody_else_did(tmp_path, store, hospital, where):
    host, told, _ = hospital
    dicom = DicomIdentity("1.1", "1.2", None, "S26-1", None, "S26-1-A1", None, (Specimen("S26-1-A", None),))
    said = {"request": {}, "outcome": {}, where: {"dicom": dicom}}
    found = callbacks(tmp_path, store, host)
    request = committed(store, slide_id="mine", callback_url=f"http://{host}/", **said["request"])
    found.promise(request.id, request.callback_url)
    store.finish(request.id, outcome(**said["outcome"]))
    assert (store.request(request.id).dicom, store.outcome(request.id).dicom) == (
        said["request"].get("dicom"),
        said["outcome"].get("dicom"),
    )
    assert found.deliver_due() == 1
    notice = json.loads(told[0][2])
    assert (notice["case_id"], notice["slide_id"]) == ("S26-1", "mine")


@pytest.mark.parametrize("address", ["", "https://slides.hospital.example/xmag"])
def test_links_begin_with_the_public_address(tmp_path, store, hospital, address):
    host, told, _ = hospital
    settings = Settings(data_dir=tmp_path, callback_hosts=(host,), callback_secret=SECRET, public_url=address)
    found, request = Callbacks(settings, store), committed(store, callback_url=f"http://{host}/")
    found.promise(request.id, request.callback_url)
    store.finish(request.id, outcome())
    assert found.deliver_due() == 1
    links = json.loads(told[0][2])["links"]
    assert links == {"self": f"{address}/jobs/{request.id}", "result": f"{address}/jobs/{request.id}/result"}


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_refusal_is_tried_again_later_and_never_touches_the_job(tmp_path, store, hospital, monkeypatch, status):
    host, told, statuses = hospital
    statuses.append(status)
    found, request = owed(tmp_path, store, host, f"http://{host}/")
    assert [found.deliver_due(), found.deliver_due(), len(told)] == [0, 0, 1]
    assert store.outcome(request.id).state == "succeeded"
    later = time.time() + 10
    monkeypatch.setattr(time, "time", lambda: later)
    assert [found.deliver_due(), len(told)] == [1, 2]


def test_a_pause_that_a_clock_ahead_of_its_time_wrote_is_not_waited_for(tmp_path, store, hospital, monkeypatch):
    host, told, statuses = hospital
    statuses.append(500)
    found, _ = owed(tmp_path, store, host, f"http://{host}/")
    year_ahead = time.time() + 365 * 86_400
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: year_ahead)
        assert found.deliver_due() == 0
    assert [found.deliver_due(), len(told)] == [1, 2]
    assert found.sent == {"delivered": 1, "failed": 1, "given_up": 0}


def test_a_record_that_cannot_be_read_now_is_owed_its_callback_all_the_same(tmp_path, store, hospital, monkeypatch):
    host, told, _ = hospital
    found, request = owed(tmp_path, store, host, f"http://{host}/")
    record = store.root / request.id / "outcome.json"
    whole = record.read_text()
    record.write_text(whole.replace('"state"', '"status"'))  # as another version has it
    assert [found.deliver_due(), len(told)] == [0, 0]
    record.write_text(whole)
    later = time.monotonic() + 3700
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert [found.deliver_due(), len(told)] == [1, 1]


def test_an_address_with_umlauts_is_encoded(tmp_path, store, hospital):
    host, told, _ = hospital
    found, _ = owed(tmp_path, store, host, f"http://{host}/rückruf%20x?fall=ä&b=1")
    assert found.deliver_due() == 1
    assert told[0][0] == "/r%C3%BCckruf%20x?fall=%C3%A4&b=1"


def test_trouble_with_one_keeps_no_other_back_and_it_is_still_owed(tmp_path, store, hospital, monkeypatch):
    host, told, statuses = hospital
    found = callbacks(tmp_path, store, host)
    requests = [committed(store, callback_url=f"http://{host}/{number}") for number in range(3)]
    for request in requests:
        found.promise(request.id, request.callback_url)
        store.finish(request.id, outcome())

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    statuses.append(500)
    with monkeypatch.context() as patched:
        patched.setattr("app.jobs.callbacks.write_over", full)
        assert [found.deliver_due(), found.deliver_due()] == [2, 0]
    later = time.monotonic() + 120
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert found.deliver_due() == 1
    assert sorted(path for path, _, _ in told) == sorted(["/0", "/1", "/2", told[0][0]])


def test_what_arrived_is_not_sent_again_where_the_disk_is_full(tmp_path, store, hospital, monkeypatch):
    host, told, _ = hospital
    found, _ = owed(tmp_path, store, host, f"http://{host}/")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.jobs.callbacks.write_once", full)
    assert [found.deliver_due(), found.deliver_due(), len(told)] == [1, 0, 1]


def test_nobody_there_is_given_up_after_a_day(tmp_path, store, monkeypatch):
    found = callbacks(tmp_path, store, "127.0.0.1:1")
    request = committed(store, callback_url="http://127.0.0.1:1/")
    found.promise(request.id, request.callback_url)
    store.finish(request.id, outcome())
    for day in range(1, 20):
        moment = time.time() + day * 86400
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        assert found.deliver_due() == 0
    assert json.loads((store.root / request.id / "callback.json").read_text())["delivered"] is False
    assert list((tmp_path / "callbacks").iterdir()) == []


def test_an_erased_job_owes_nothing(tmp_path, store, hospital):
    host, told, _ = hospital
    found = callbacks(tmp_path, store, host)
    request = committed(store)
    found.promise(request.id, f"http://{host}/")
    store.finish(request.id, outcome())
    store.erase(request.id)
    assert [found.deliver_due(), told, list((tmp_path / "callbacks").iterdir())] == [0, [], []]


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/",
        "http://ris.example:81/",
        "ftp://ris.example/",
        "http://user@ris.example/",
        "http://ris.example.evil.example/",
        "http://[x/",
        "ris.example",
        "file:///etc/passwd",
    ],
)
def test_only_listed_hosts_are_called(tmp_path, store, url):
    found = callbacks(tmp_path, store, "ris.example:80")
    with pytest.raises(CallbackNotAllowedError):
        found.check(url)


def test_listed_hosts_are(tmp_path, store):
    callbacks(tmp_path, store, "ris.example").check("https://RIS.example:8443/x")
    callbacks(tmp_path, store, "10.1.2.3:80").check("http://10.1.2.3:80/x")
