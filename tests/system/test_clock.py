"""A clock that is wrong when a process starts, or on one host of several."""

import time

import pytest

from app.system import clock
from app.system.clock import ClockWatch

HOUR_S, DAY_S = 3600, 86_400


def set_clocks(monkeypatch, wall_s: float, boot_s: float) -> None:
    monkeypatch.setattr(time, "time", lambda: wall_s)
    monkeypatch.setattr(clock, "since_boot_s", lambda: boot_s)


def test_a_first_start_and_a_weekend_are_no_jump(tmp_path, monkeypatch):
    for wall_s in (0, 10, 3.5 * DAY_S, 7 * DAY_S):
        watch = ClockWatch(tmp_path)
        for later_s in (0, 10):
            set_clocks(monkeypatch, 1e9 + wall_s + later_s, 60 + later_s)
            steady = watch.is_steady()
        assert steady


@pytest.mark.parametrize("off_s", [400 * DAY_S, 5 * DAY_S, -2 * HOUR_S])
def test_a_clock_that_is_off_when_the_process_starts_erases_nothing_for_a_day(tmp_path, monkeypatch, off_s):
    set_clocks(monkeypatch, 1e9, 60)
    assert ClockWatch(tmp_path).is_steady()
    steady = []
    set_clocks(monkeypatch, 1e9 + off_s, 60)
    watch = ClockWatch(tmp_path)
    for hours in (0, 1, 23, 25):
        set_clocks(monkeypatch, 1e9 + off_s + hours * HOUR_S, 60 + hours * HOUR_S)
        steady.append(watch.is_steady())
    assert steady == [False, False, False, True]


def test_no_other_process_and_no_restart_cuts_the_day_short(tmp_path, monkeypatch):
    set_clocks(monkeypatch, 1e9, 60)
    assert ClockWatch(tmp_path).is_steady()
    ahead_s = 1e9 + 400 * DAY_S
    set_clocks(monkeypatch, ahead_s, 60)
    api, worker = ClockWatch(tmp_path), ClockWatch(tmp_path)
    assert not api.is_steady()
    set_clocks(monkeypatch, ahead_s + 10, 70)
    assert not worker.is_steady()
    set_clocks(monkeypatch, ahead_s + 20 * HOUR_S, 60 + 20 * HOUR_S)
    again = ClockWatch(tmp_path)
    assert not again.is_steady()
    set_clocks(monkeypatch, ahead_s + 25 * HOUR_S, 60 + 25 * HOUR_S)
    assert not again.is_steady()
    assert api.is_steady()
    set_clocks(monkeypatch, ahead_s + 25 * HOUR_S + 10, 70 + 25 * HOUR_S)
    assert again.is_steady()


@pytest.mark.parametrize("ahead_days", [400, 3])
def test_while_hosts_disagree_none_erases(tmp_path, monkeypatch, ahead_days):
    set_clocks(monkeypatch, 1e9, 60)
    right = ClockWatch(tmp_path)
    assert right.is_steady()
    set_clocks(monkeypatch, 1e9 + ahead_days * DAY_S, 60)
    wrong = ClockWatch(tmp_path)
    for hours in range(0, 72, 6):
        set_clocks(monkeypatch, 1e9 + ahead_days * DAY_S + hours * HOUR_S, 60 + hours * HOUR_S)
        assert not wrong.is_steady()
        set_clocks(monkeypatch, 1e9 + hours * HOUR_S, 60 + hours * HOUR_S)
        assert not right.is_steady()


def test_the_mark_is_a_files_time_and_takes_no_room(tmp_path, monkeypatch):
    ClockWatch(tmp_path).is_steady()
    assert (tmp_path / "clock").stat().st_size == 0
    set_clocks(monkeypatch, 2e9, 60)
    ClockWatch(tmp_path).is_steady()
    assert (tmp_path / "clock").stat().st_mtime == 2e9
