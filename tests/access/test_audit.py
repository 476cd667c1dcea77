"""The audit log by value: what was written can be followed, and whatever is done to the file shows."""

import hashlib
import json
import multiprocessing

import pytest

from app.access.audit import HEAD, LOG, Actor, AuditLog, Event
from app.errors import DiskLowError


def write(folder, count: int, name: str = "key:lab") -> AuditLog:
    log = AuditLog(folder)
    for number in range(count):
        log.append(Event("job.submit", Actor(name, "10.0.0.7"), f"job-{number}", "lab", "upload"))
    return log


def lines(folder) -> list[str]:
    return (folder / LOG).read_text().splitlines()


def test_entries_say_who_did_what_when_to_which_job(tmp_path):
    log = write(tmp_path, 2)
    entry = json.loads(lines(tmp_path)[1])
    assert (entry["number"], entry["who"], entry["address"], entry["tenant"]) == (2, "key:lab", "10.0.0.7", "lab")
    assert (entry["action"], entry["job"], entry["at"][-6:]) == ("job.submit", "job-1", "+00:00")
    assert entry["before"] == json.loads(lines(tmp_path)[0])["sha256"]
    assert (tmp_path / LOG).stat().st_mode & 0o077 == 0
    verdict = log.verify()
    assert (verdict.problems, verdict.entries, verdict.last.sha256) == ((), 2, entry["sha256"])


def test_nothing_written_is_nothing_wrong(tmp_path):
    assert AuditLog(tmp_path).verify().problems == ()


def changed(found):
    found[2] = found[2].replace("key:lab", "key:bob")


def doubled_key(found):
    found[2] = found[2].replace('{"number"', '{"who": "key:bob", "number"')


def rehashed(found):
    """One entry made anew, hash and all: the next one still names the old."""
    entry = json.loads(found[2])
    del entry["sha256"]
    entry["who"] = "key:bob"
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    found[2] = json.dumps({**entry, "sha256": hashlib.sha256(text.encode()).hexdigest()})


def removed(found):
    del found[2]


def swapped(found):
    found[2], found[3] = found[3], found[2]


def repeated(found):
    found.insert(3, found[2])


def beheaded(found):
    del found[:2]


def cut(found):
    del found[-1]


def emptied(found):
    found.clear()


def unnumbered(found):
    found.insert(2, '{"note": "nothing happened here"}')


def foreign(found):
    found.insert(2, "nothing happened here")


def torn_of_another(found):
    found.insert(2, '{"number": 9, "at": "2026-')


def finished_without_a_hash(found):
    found.insert(2, '{"number": 3, "at": "2026-01-01T00:00:00.000+00:00", "who": "key:bob"}')


@pytest.mark.parametrize(
    "tamper",
    [
        changed, doubled_key, rehashed, removed, swapped, repeated, beheaded, cut, emptied,
        unnumbered, foreign, torn_of_another, finished_without_a_hash,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_tampering_shows(tmp_path, tamper):
    log, found = write(tmp_path, 6), lines(tmp_path)
    tamper(found)
    (tmp_path / LOG).write_text("".join(f"{line}\n" for line in found))
    assert log.verify().problems
    write(tmp_path, 1)  # going on does not heal it
    assert log.verify().problems


def test_the_line_is_named(tmp_path):
    log, found = write(tmp_path, 3), lines(tmp_path)
    unnumbered(found)
    (tmp_path / LOG).write_text("".join(f"{line}\n" for line in found))
    assert log.verify().problems == ("line 3: is not a log entry",)


@pytest.mark.parametrize("names", [(LOG,), (HEAD,), (LOG, HEAD)])
def test_missing_files_show_where_there_was_something_to_write(tmp_path, names):
    log = write(tmp_path, 2)
    (tmp_path / "jobs" / "job-1").mkdir(parents=True)
    (tmp_path / "jobs" / "job-1" / "request.json").write_text("{}")
    for name in names:
        (tmp_path / name).unlink()
    assert "missing" in "".join(log.verify().problems)


@pytest.mark.parametrize("left", ["keys.json", "jobs/job-1/tombstone.json"])
def test_an_emptied_log_shows_too(tmp_path, left):
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).write_text("[]")
    (tmp_path / LOG).touch()
    assert AuditLog(tmp_path).verify().problems


def test_a_log_made_up_as_a_whole_lacks_the_hash_that_was_kept_elsewhere(tmp_path):
    kept = write(tmp_path, 3).verify().last.sha256
    (tmp_path / LOG).unlink()
    (tmp_path / HEAD).unlink()
    log = write(tmp_path, 5, "key:bob")
    assert log.verify().problems == ()
    assert log.verify(expected=kept).problems
    assert log.verify(expected=log.verify().last.sha256).problems == ()


@pytest.mark.parametrize("length", [1, 5, 12, 30, 200, -1])
def test_a_line_torn_by_a_crash_is_no_tampering(tmp_path, length):
    log = write(tmp_path, 3)
    whole = json.dumps(json.loads(lines(tmp_path)[-1]) | {"number": 4}).encode()
    with (tmp_path / LOG).open("ab") as file:
        file.write(whole[:length])
    write(tmp_path, 2)
    verdict = log.verify()
    assert (verdict.problems, verdict.entries, verdict.torn) == ((), 5, 1)


def test_many_processes_write_one_chain(tmp_path):
    processes = [multiprocessing.get_context("spawn").Process(target=write, args=(tmp_path, 25)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    verdict = AuditLog(tmp_path).verify()
    assert (verdict.problems, verdict.entries) == ((), 75)


def test_what_cannot_be_written_down_is_refused(tmp_path):
    (tmp_path / LOG).symlink_to("/dev/full")
    with pytest.raises(DiskLowError):
        write(tmp_path, 1)
