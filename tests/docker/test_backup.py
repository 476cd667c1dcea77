"""docker/backup.sh: what it takes of a service that goes on writing can be put back and believed."""

import io
import os
import shutil
import subprocess
import tarfile
import threading

import pytest

from app.access.audit import HEAD, LOG, Actor, AuditLog, Event
from tests.service import ROOT

if shutil.which("tar") is None:
    pytest.skip("there is no tar on this machine", allow_module_level=True)


def append(log: AuditLog, count: int) -> None:
    for _ in range(count):
        log.append(Event("result.read", Actor("key:lab")))


def backup(data) -> bytes:
    command = [ROOT / "docker" / "backup.sh"]
    return subprocess.run(
        command, env={**os.environ, "XMAG_DATA_DIR": str(data)}, stdout=subprocess.PIPE, check=True
    ).stdout


def test_the_audit_log_of_a_service_that_goes_on_writing_is_whole_in_every_backup(tmp_path):
    (tmp_path / "data" / "jobs").mkdir(parents=True)
    for number in range(200):  # keeps tar busy between any two files
        (tmp_path / "data" / "jobs" / f"{number}").write_bytes(bytes(100_000))
    log, stop = AuditLog(tmp_path / "data"), threading.Event()
    append(log, 5)
    writer = threading.Thread(target=lambda: [append(log, 1) for _ in iter(stop.is_set, True)])
    writer.start()
    try:
        archives = [backup(tmp_path / "data") for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    written = log.verify().entries
    assert written > 5
    for number, archive in enumerate(archives):
        restored = tmp_path / f"restored-{number}"
        restored.mkdir()
        subprocess.run(["tar", "-xpf", "-", "-C", restored], input=archive, check=True)
        verdict = AuditLog(restored).verify()
        assert verdict.problems == ()
        assert 5 <= verdict.entries <= written
        append(AuditLog(restored), 2)
        assert AuditLog(restored).verify().problems == ()
        assert len(list((restored / "jobs").iterdir())) == 200


def test_the_head_is_taken_once_and_before_the_log(tmp_path):
    append(AuditLog(tmp_path), 1)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / HEAD).touch()
    with tarfile.open(fileobj=io.BytesIO(backup(tmp_path))) as files:
        names = [os.path.normpath(name) for name in files.getnames()]
    assert names[0] == HEAD
    assert sorted(names) == [".", HEAD, LOG, "sub", f"sub/{HEAD}"]


def test_before_the_first_entry_there_is_a_backup_too(tmp_path):
    (tmp_path / "keys.json").touch()
    (tmp_path / "fetched" / "a-job-1").mkdir(parents=True)  # the copy of an object, which is not ours to keep
    with tarfile.open(fileobj=io.BytesIO(backup(tmp_path))) as files:
        assert sorted(files.getnames()) == [".", "./keys.json"]


def test_a_folder_that_cannot_be_read_is_no_backup(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        backup(tmp_path / "missing")


def test_a_copy_that_took_the_log_first_lacks_entries_and_verify_says_how_that_may_be(tmp_path):
    log = AuditLog(tmp_path)
    append(log, 3)
    copied = (tmp_path / LOG).read_bytes()
    append(log, 2)
    (tmp_path / LOG).write_bytes(copied)
    (problem,) = log.verify().problems
    assert "audit.head names entry 5" in problem
    assert "ends at 3" in problem
    assert "backup" in problem
