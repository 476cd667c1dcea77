"""Every command tells what it wants, every committed config is one, and none takes a key that it does not know."""

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
from xmag_train.evaluate.config import EvaluateConfig
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
    "atlas/distill.yaml": DistillConfig,
    "atlas/evaluate.yaml": EvaluateConfig,
    "atlas/export.yaml": ExportConfig,
    "atlas/finetune.yaml": FinetuneConfig,
    "atlas/mil.yaml": MilConfig,
    "curate.yaml": CurateConfig,
    "embed-teacher.yaml": EmbedConfig,
    "embed.yaml": EmbedConfig,
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


def test_the_tables_that_configs_name_are_there() -> None:
    root = CONFIGS.parents[1]
    for name in ("atlas/mil.yaml", "atlas/finetune.yaml", "atlas/ablations/finetune.yaml"):
        content = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
        assert (root / content["labels_csv"]).is_file() and (root / content["folds_csv"]).is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_what_it_wants(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert told.exit_code == 0
    assert "--config" in told.output
