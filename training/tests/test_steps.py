"""What atlas.sh and ablations.sh share, with a stand-in for the program, which writes down what it is asked for."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def step(root: Path, command: str, then: str = "", **variables: str) -> list[str]:
    """The commands that the program was asked for; ``then``: what it does besides, in bash."""
    asked = root / "asked"
    asked.write_text("")
    program = root / "xmag-train"
    program.write_text(f'#!/bin/bash\necho "$1" >>"{asked}"\n{then}\n')
    (root / "python").write_text(f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
    for file in (program, root / "python"):
        file.chmod(0o755)
    environment = {"RUNS": str(root / "runs"), "BIN": str(root), "ATLAS": str(root / "atlas"), **variables}
    script = f"set -e; source training/steps.sh; {command}"
    subprocess.run(["bash", "-c", script], cwd=REPOSITORY, env={**os.environ, **environment}, check=False, timeout=60)
    return asked.read_text().split()


def test_an_import_that_was_killed_is_made_again_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    write = f"mkdir -p {tmp_path}/runs/shards; touch {tmp_path}/runs/shards/atlas-000000.tar"
    assert step(tmp_path, "make_shards", f"{write}; kill -KILL $$") == ["curate"]
    assert step(tmp_path, "make_shards", write) == ["curate"]
    assert step(tmp_path, "make_shards") == []


def test_a_finished_distillation_is_asked_for_too_and_judges_itself_what_is_left(tmp_path: Path) -> None:
    left = tmp_path / "runs" / "distill" / "first" / "0"
    left.mkdir(parents=True)
    (left / "student.pt").touch()
    (left / "fidelity.json").touch()
    assert step(tmp_path, "distil distill-first first/0 0") == ["distill"]


def test_folds_are_read_as_the_table_means_them(tmp_path: Path) -> None:
    (tmp_path / "folds.csv").write_text('fold,case\r\n10,"Doe, J."\r\n2,b\r\n10,c\r\n', newline="")
    each = 'for fold in $FOLDS; do "$BIN/xmag-train" "$fold"; done'
    assert step(tmp_path, each, CONFIGS=str(tmp_path)) == ["2", "10"]
