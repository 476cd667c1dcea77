from pathlib import Path

import pytest

from app.inference.cores import available_cores, cgroup_quota_cores


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_2_takes_the_tightest_on_the_way_up(tmp_path: Path) -> None:
    write(tmp_path / "a.slice" / "b.scope" / "cpu.max", "max 100000\n")
    write(tmp_path / "a.slice" / "cpu.max", "150000 100000\n")
    write(tmp_path / "cpu.max", "400000 100000\n")
    assert cgroup_quota_cores(tmp_path, "0::/a.slice/b.scope\n") == 1.5


def test_version_2_inside_a_container_looks_at_the_root(tmp_path: Path) -> None:
    write(tmp_path / "cpu.max", "200000 100000\n")
    assert cgroup_quota_cores(tmp_path, "0::/kubepods/not/mounted/here\n") == 2.0


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_version_1(tmp_path: Path, mount: str) -> None:
    write(tmp_path / mount / "docker" / "x" / "cpu.cfs_quota_us", "250000\n")
    write(tmp_path / mount / "docker" / "x" / "cpu.cfs_period_us", "100000\n")
    write(tmp_path / mount / "cpu.cfs_quota_us", "-1\n")
    write(tmp_path / mount / "cpu.cfs_period_us", "100000\n")
    memberships = f"12:memory:/docker/x\n4:{mount}:/docker/x\n"
    assert cgroup_quota_cores(tmp_path, memberships) == 2.5


@pytest.mark.parametrize("memberships", ["", "0::/\n", "3:cpuset:/\n", "4:cpu:/\n"])
def test_no_limit(tmp_path: Path, memberships: str) -> None:
    write(tmp_path / "cpu.max", "max 100000\n")
    assert cgroup_quota_cores(tmp_path, memberships) is None


def test_at_least_one_core_and_no_more_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr("app.inference.cores.cgroup_quota_cores", lambda *_: 0.5)
    assert available_cores() == 1
    monkeypatch.setattr("app.inference.cores.cgroup_quota_cores", lambda *_: 2.9)
    assert available_cores() == 2
    monkeypatch.setattr("app.inference.cores.cgroup_quota_cores", lambda *_: 64.0)
    assert available_cores() == 4
    monkeypatch.setattr("app.inference.cores.cgroup_quota_cores", lambda *_: None)
    assert available_cores() == 4
