"""Callbacks that carry a token or a client certificate, to a real TLS server that asks for both."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time

import pytest

from app.errors import CallbackNotAllowedError, SetupError
from app.jobs.callback_credentials import CallbackCredentials
from app.jobs.callbacks import Callbacks
from app.settings import Settings
from tests.http_server import QuietHandler, serving
from tests.jobs.requests import committed, outcome
from tests.service import ROOT

SECRET = "a secret of some length"
TOKEN = "eyJhbGciOi.part-2_of~it+/.x=="


def openssl(*arguments) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """Two authorities; of ours a server's and two clients' certificates, of the other one client's."""
    folder = tmp_path_factory.mktemp("pki")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    for name in ("ours", "theirs"):
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        openssl("req", "-x509", *key, "-subj", f"/CN={name}", *files)
    for name, authority in (("localhost", "ours"), ("xmag", "ours"), ("xmag-2", "ours"), ("stranger", "theirs")):
        signed = ["-CA", folder / f"{authority}.pem", "-CAkey", folder / f"{authority}.key"]
        more = ["-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:false"]
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        openssl("req", "-x509", *key, "-subj", f"/CN={name}", *signed, *more, *files)
    openssl("ec", "-aes128", "-passout", "pass:x", "-in", folder / "xmag.key", "-out", folder / "locked.key")
    return folder


@pytest.fixture
def hospital(pki):
    """A server by TLS that lets in clients of our authority alone: (host:port, what it was told by whom)."""
    told = []

    class Handler(QuietHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            subject = dict(part[0] for part in self.connection.getpeercert()["subject"])
            told.append((subject["commonName"], self.headers["Authorization"], self.headers["Xmag-Signature"], body))
            self.send_response(204)
            self.end_headers()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "localhost.pem", pki / "localhost.key")
    context.load_verify_locations(pki / "ours.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(Handler, "localhost", context) as host:
        yield host, told


@pytest.fixture
def files(pki, tmp_path):
    """Settings with files of their own, to be replaced."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    for name in ("xmag.pem", "xmag.key"):
        shutil.copy(pki / name, tmp_path / name)
    return {
        "callback_token_file": tmp_path / "token",
        "callback_cert_file": tmp_path / "xmag.pem",
        "callback_key_file": tmp_path / "xmag.key",
        "callback_ca_file": pki / "ours.pem",
    }


def settings(tmp_path, host, **files) -> Settings:
    return Settings(data_dir=tmp_path, callback_hosts=(host,), callback_secret=SECRET, **files)


def owe(found: Callbacks, store, host) -> str:
    request = committed(store, callback_url=f"https://{host}/done")
    found.promise(request.id, request.callback_url)
    store.finish(request.id, outcome())
    return request.id


def test_token_certificate_and_signature_arrive_and_replaced_files_count_at_once(tmp_path, store, hospital, files, pki):
    host, told = hospital
    found = Callbacks(settings(tmp_path, host, **files), store)
    first = owe(found, store, host)
    assert found.deliver_due() == 1
    ((client, authorization, signature, body),) = told
    assert (client, authorization, body["id"]) == ("xmag", f"Bearer {TOKEN}", first)
    assert signature.startswith("sha256=")
    (tmp_path / "token").write_text("next")
    for kind in ("pem", "key"):
        shutil.copy(pki / f"xmag-2.{kind}", tmp_path / f"xmag.{kind}")
    owe(found, store, host)
    assert found.deliver_due() == 1
    assert told[1][:2] == ("xmag-2", "Bearer next")


@pytest.mark.parametrize(
    ("without", "other"),
    [
        (("callback_ca_file",), {}),  # the receiver is not believed
        (("callback_cert_file", "callback_key_file"), {}),  # the receiver lets nobody in without one
        ((), {"callback_cert_file": "stranger.pem", "callback_key_file": "stranger.key"}),
        ((), {"callback_ca_file": "theirs.pem"}),
    ],
)
def test_neither_side_takes_the_other_for_granted(tmp_path, store, hospital, files, pki, without, other):
    host, told = hospital
    given = {name: path for name, path in files.items() if name not in without}
    given |= {name: pki / path for name, path in other.items()}
    found = Callbacks(settings(tmp_path, host, **given), store)
    owe(found, store, host)
    assert (found.deliver_due(), told, found.sent["failed"]) == (0, [], 1)


def test_a_file_that_is_away_costs_no_try_and_the_notice_comes_later(tmp_path, store, hospital, files, monkeypatch):
    host, told = hospital
    found = Callbacks(settings(tmp_path, host, **files), store)
    owe(found, store, host)
    (tmp_path / "token").unlink()
    assert (found.deliver_due(), told, found.sent["failed"]) == (0, [], 0)
    (tmp_path / "token").write_text(TOKEN)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert (found.deliver_due(), len(told)) == (1, 1)


def test_credentials_go_by_tls_or_to_this_machine_alone(tmp_path, store, files):
    for given in ({"callback_token_file": files["callback_token_file"]}, {"callback_cert_file": tmp_path / "x.pem"}):
        found = Callbacks(settings(tmp_path, "ris.example", **given), store)
        found.check("https://ris.example/done")
        with pytest.raises(CallbackNotAllowedError, match="https"):
            found.check("http://ris.example/done")
        with pytest.raises(CallbackNotAllowedError, match="list"):
            found.check("https://evil.example/done")
    Callbacks(settings(tmp_path, "127.0.0.1", **files), store).check("http://127.0.0.1:8080/done")
    Callbacks(settings(tmp_path, "ris.example"), store).check("http://ris.example/done")  # signed alone


def test_what_callbacks_carry_is_described_without_secrets(tmp_path, files):
    said = CallbackCredentials(settings(tmp_path, "h", **files)).describe()
    assert said.startswith("a signature, a bearer token, a client certificate, valid until 20")
    assert TOKEN not in said
    assert CallbackCredentials(settings(tmp_path, "h")).describe() == "a signature"


@pytest.mark.parametrize(
    ("setting", "content"),
    [
        ("callback_token_file", None),
        ("callback_token_file", ""),
        ("callback_token_file", "two words"),
        ("callback_token_file", "x\r\nX-Evil: 1"),
        ("callback_token_file", "ümlaut"),
        ("callback_token_file", "x" * 20_000),
        ("callback_ca_file", None),
        ("callback_ca_file", "not a PEM"),
        ("callback_cert_file", None),
        ("callback_cert_file", "no certificate"),
        ("callback_key_file", None),
        ("callback_key_file", "theirs.key"),
        ("callback_key_file", "locked.key"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_setting(tmp_path, files, pki, setting, content):
    wrong = tmp_path / "wrong"
    if content is not None:
        text = (pki / content).read_text() if content.endswith(".key") else content
        wrong.write_text(text, newline="")
    with pytest.raises(SetupError) as raised:
        CallbackCredentials(settings(tmp_path, "h", **files | {setting: wrong})).describe()
    pair = {"callback_key_file": "XMAG_CALLBACK_"}
    assert pair.get(setting, f"XMAG_{setting.upper()}") in raised.value.message
    assert str(wrong) in raised.value.message
    assert not content or content.endswith(".key") or content not in raised.value.message


def test_the_service_does_not_start_with_one(tmp_path):
    given = {
        "XMAG_DATA_DIR": str(tmp_path), "XMAG_PORT": "0", "XMAG_CALLBACK_HOSTS": "ris.example",
        "XMAG_CALLBACK_SECRET": SECRET, "XMAG_CALLBACK_TOKEN_FILE": str(tmp_path / "missing"),
    }  # fmt: skip
    command = [sys.executable, "-m", "app.cli", "api"]
    found = subprocess.run(
        command, cwd=ROOT, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 78
    assert "XMAG_CALLBACK_TOKEN_FILE" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "given",
    [{"callback_token_file": "t"}, {"callback_hosts": ("h",), "callback_secret": SECRET, "callback_key_file": "k"}],
)
def test_settings_that_mean_nothing_alone_are_refused(given):
    with pytest.raises(ValueError, match="need"):
        Settings(**given)


def test_doctor_reaches_each_receiver_and_sends_nothing(tmp_path, hospital, files):
    host, told = hospital
    given = {f"XMAG_{name.upper()}": str(path) for name, path in files.items()}
    given |= {"XMAG_CALLBACK_HOSTS": host, "XMAG_CALLBACK_SECRET": SECRET}
    line = doctor(tmp_path, **given)
    assert line.startswith(
        f"ok   callbacks  {host} answers over TLS; callbacks carry a signature, a bearer token, a client"
    )
    assert told == []
    assert "certificate is not trusted" in doctor(tmp_path, **{**given, "XMAG_CALLBACK_CA_FILE": ""})
    (tmp_path / "token").unlink()
    assert "XMAG_CALLBACK_TOKEN_FILE" in doctor(tmp_path, **given)
    nobody = doctor(tmp_path, XMAG_CALLBACK_HOSTS="127.0.0.1:1", XMAG_CALLBACK_SECRET=SECRET)
    assert nobody.startswith("FAIL callbacks") and "cannot be reached" in nobody


def doctor(data_dir, **given) -> str:
    """Its line on callbacks."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")}
    environment |= {"XMAG_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT), **given}
    command = [sys.executable, "-m", "app.cli", "doctor"]
    found = subprocess.run(command, cwd=data_dir, env=environment, capture_output=True, text=True, check=False)
    (line,) = [line for line in found.stdout.splitlines() if line[5:].startswith("callbacks")]
    return line
