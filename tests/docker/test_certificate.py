"""docker/certificate.sh with the real openssl: for which names one is made, kept, or refused with a reason."""

import shutil
import subprocess

import pytest

from tests.service import ROOT

if shutil.which("openssl") is None:
    pytest.skip("there is no openssl on this machine", allow_module_level=True)


def certificate(folder, names: str) -> "subprocess.CompletedProcess[str]":
    command = [ROOT / "docker" / "certificate.sh", folder, names]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_is_kept_for_the_same_names_and_made_anew_for_others(tmp_path):
    assert certificate(tmp_path, "localhost, 127.0.0.1").returncode == 0
    first = (tmp_path / "cert.pem").read_text()
    text = subprocess.check_output(["openssl", "x509", "-in", tmp_path / "cert.pem", "-noout", "-text"], text=True)
    assert "DNS:localhost, IP Address:127.0.0.1" in text
    assert certificate(tmp_path, "localhost,127.0.0.1").stdout == ""
    assert (tmp_path / "cert.pem").read_text() == first
    assert certificate(tmp_path, "slides.hospital.example").returncode == 0
    assert (tmp_path / "cert.pem").read_text() != first


@pytest.mark.parametrize("names", ["https://slides.hospital.example", "slides.hospital.example:443"])
def test_a_name_that_is_none_is_refused_with_the_reason_and_the_old_certificate_stays(tmp_path, names):
    certificate(tmp_path, "localhost")
    old = (tmp_path / "cert.pem").read_text()
    found = certificate(tmp_path, names)
    assert found.returncode == 78
    assert "bad ip address" in found.stderr
    assert f"XMAG_NAMES={names}" in found.stderr
    assert (tmp_path / "cert.pem").read_text() == old
