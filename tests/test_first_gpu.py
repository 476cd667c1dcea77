"""The measurements for a first GPU, rehearsed on a CPU: they run, and a figure below its bar shows."""

import re
import subprocess
import sys

from tests.service import ROOT


def rehearse(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "benchmarks" / "first_gpu.py", "--device", "cpu", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_part_runs_and_says_what_it_found():
    done = rehearse("--tiles", "8", "load", "parity", "placement", "scarce", "sick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"\n\n(\w+): ", done.stdout) == ["load", "parity", "placement", "scarce", "sick"]
    assert len(re.findall(r"^PASS ", done.stdout, re.MULTILINE)) == 2 + 6 + 2 + 1
    assert done.stdout.endswith("nothing fell below its bar\n")


def test_a_figure_below_its_bar_shows_in_the_exit_code(tmp_path):
    text = (ROOT / "benchmarks" / "first_gpu.py").read_text()
    strict = tmp_path / "strict.py"
    strict.write_text(text.replace("START_S = 60.0", "START_S = 0.0"))
    command = [sys.executable, strict, "--device", "cpu", "--tiles", "8", "load"]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL" in done.stdout and done.stdout.endswith("below its bar: load\n")
