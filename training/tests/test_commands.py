"""Every command tells what it wants, every committed config is one, and none takes a key that it does not know."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from xmag_train.cli import app
from xmag_train.config import Config
from xmag_train.data.config import CurateConfig
from xmag_train.distill.config import DistillConfig
from xmag_train.embed.config import EmbedConfig
from xmag_train.evaluate.config import EvaluateConfig, MilTask
from xmag_train.export.config import ExportConfig
from xmag_train.finetune.config import FinetuneConfig
from xmag_train.mil.bags_command import BagsConfig
from xmag_train.mil.config import MilConfig

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
KINDS: dict[str, type[Config]] = {
    "atlas/ablations/bags.yaml": BagsConfig,
    "atlas/ablations/bags-imagenet.yaml": BagsConfig,
    "atlas/ablations/distill.yaml": DistillConfig,
    "atlas/ablations/evaluate.yaml": EvaluateConfig,
    "atlas/ablations/finetune.yaml": FinetuneConfig,
    "atlas/bags-imagenet.yaml": BagsConfig,
    "atlas/bags-student.yaml": BagsConfig,
    "atlas/bags-teacher.yaml": BagsConfig,
    "atlas/distill-first.yaml": DistillConfig,
    "atlas/distill-second.yaml": DistillConfig,
    "atlas/distill-third.yaml": DistillConfig,
    "atlas/distill.yaml": DistillConfig,
    "atlas/embed-whole.yaml": EmbedConfig,
    "atlas/evaluate.yaml": EvaluateConfig,
    "atlas/export.yaml": ExportConfig,
    "atlas/finetune.yaml": FinetuneConfig,
    "atlas/mil.yaml": MilConfig,
    "curate.yaml": CurateConfig,
    "embed-teacher.yaml": EmbedConfig,
    "embed.yaml": EmbedConfig,
    "six-tasks.yaml": EvaluateConfig,
}
COMMANDS = ("curate", "distill", "embed", "bags", "mil", "finetune", "evaluate", "export")


def test_every_committed_config_is_known_here() -> None:
    assert {str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml")} == set(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_committed_config_is_valid_and_an_unknown_key_is_refused(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    assert isinstance(kind.read(CONFIGS / name), kind)
    content = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({**content, "colour": "red"}))
    with pytest.raises(ValidationError, match="colour"):
        kind.read(tmp_path / "more.yaml")


def test_configs_name_the_student_that_the_recipe_leaves() -> None:
    """Another name is refused only when the bags are made, hours later."""
    trained = DistillConfig.read(CONFIGS / "atlas/distill.yaml").student.name
    for path in CONFIGS.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"name: (\w+), weights: runs/atlas/distill/(?!ablations|first|second|third)", text):
            assert name == trained, path


def test_the_tables_that_configs_name_are_there() -> None:
    root = CONFIGS.parents[1]
    for name in ("atlas/mil.yaml", "atlas/finetune.yaml", "atlas/ablations/finetune.yaml"):
        content = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
        assert (root / content["labels_csv"]).is_file() and (root / content["folds_csv"]).is_file()


def test_six_cohorts_are_embedded_by_both_arms_and_judged_by_one_command(tmp_path: Path) -> None:
    """The program is a stand-in that writes down what it is asked for; every config that it is given is read."""
    tasks = EvaluateConfig.read(CONFIGS / "six-tasks.yaml").tasks
    assert [task.kind for task in tasks] == ["mil"] * 4 + ["tile"] * 2
    cohorts, runs, asked = tmp_path / "cohorts", tmp_path / "runs", tmp_path / "asked"
    for task in tasks:
        (cohorts / task.name / ("slides" if task.kind == "mil" else "benign")).mkdir(parents=True)
    (tmp_path / "xmag-train").write_text(f'#!/bin/sh\necho "$1 $3" >> {asked}\n')
    (tmp_path / "xmag-train").chmod(0o755)
    environment = {**os.environ, "COHORTS": str(cohorts), "RUNS": str(runs), "BIN": str(tmp_path)}
    subprocess.run([CONFIGS.parent / "cohorts.sh"], env=environment, check=True, capture_output=True, timeout=60)
    *embedded, (last, report) = [line.split() for line in asked.read_text().splitlines()]
    assert last == "evaluate" and {command for command, _ in embedded} == {"embed"}
    made = [EmbedConfig.read(Path(path)) for _, path in embedded]
    judged = EvaluateConfig.read(Path(report))
    slide_level = [task for task in judged.tasks if isinstance(task, MilTask)]
    wanted = {
        (arm.bags, cohorts / task.name / "slides", arm is task.teacher)
        for task in slide_level
        for arm in (task.teacher, task.student)
    }
    assert {(str(one.out), one.folder, one.encoder is not None) for one in made} == wanted
    assert judged.out == runs / "report"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_what_it_wants(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert told.exit_code == 0
    assert "--config" in told.output


def test_what_is_wrong_with_a_users_files_is_a_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("slide,case\na,Müller\n", encoding="cp1252")
    (tmp_path / "broken.yaml").write_text("slides: [")

    def command(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        start = [sys.executable, "-c", "from xmag_train.cli import main; main()", *map(str, arguments)]
        environment = {**os.environ, **variables}
        return subprocess.run(start, env=environment, capture_output=True, text=True, check=False, timeout=100)

    folds = ("folds", "--labels", tmp_path / "labels.csv", "--out", tmp_path / "folds.csv", "--stratum", "case")
    told = command(*folds)
    assert (told.returncode, told.stderr) == (2, "xmag-train: labels.csv is not in UTF-8: save it as “CSV UTF-8”\n")
    assert "Traceback" in command(*folds, XMAG_TRACEBACK="1").stderr
    told = command("curate", "--out", tmp_path / "out", "--config", tmp_path / "broken.yaml")
    assert told.returncode == 2 and told.stderr.startswith(f"xmag-train: {tmp_path / 'broken.yaml'} is no YAML: ")
    assert "Traceback" not in told.stderr
