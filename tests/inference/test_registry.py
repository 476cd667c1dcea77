import os
import re
import shutil
from pathlib import Path

import pytest

from app.errors import ManifestInvalidError, ModelFileChangedError, ModelNotFoundError, NoModelError
from app.inference.manifest import read_manifest
from app.inference.registry import ModelRegistry
from tests.inference.conftest import MODELS, rewrite


def add(models: Path, name: str) -> Path:
    shutil.copytree(MODELS / "xmag-lite0", models / name)
    rewrite(models / name, lambda document: document.update(name=name))
    return models / name


def test_the_only_model_is_the_default(copied: Path) -> None:
    registry = ModelRegistry(copied.parent)
    assert registry.names() == ["xmag-lite0"]
    assert registry.problems() == {}
    for named, configured in ((None, None), ("", ""), (None, "xmag-lite0"), ("xmag-lite0", "none")):
        assert registry.default(named, configured) == "xmag-lite0"
    assert registry.folder("xmag-lite0") == copied
    assert registry.manifest_sha256("xmag-lite0") == read_manifest(copied)[1]


def test_of_two_models_one_has_to_be_named(copied: Path) -> None:
    add(copied.parent, "other")
    registry = ModelRegistry(copied.parent)
    assert registry.names() == ["other", "xmag-lite0"]
    assert registry.default("other", "xmag-lite0") == registry.default(None, "other") == "other"
    with pytest.raises(ModelNotFoundError, match="other, xmag-lite0"):
        registry.default(None, None)
    with pytest.raises(ModelNotFoundError, match="other, xmag-lite0"):
        registry.default("third", "other")


def test_broken_models_are_told_and_do_not_hide_the_good_one(copied: Path) -> None:
    models = copied.parent
    (models / "empty").mkdir()
    (models / "README.md").write_text("not a model")
    (models / ".partial").mkdir()
    rewrite(add(models, "wrong-key"), lambda document: document.update(colour="red"))
    rewrite(add(models, "renamed"), lambda document: document.update(name="something"))
    (add(models, "no-head") / "malignancy.onnx").unlink()
    registry = ModelRegistry(models)
    assert registry.names() == ["xmag-lite0"]
    problems = registry.problems()
    assert sorted(problems) == ["empty", "no-head", "renamed", "wrong-key"]
    assert "cannot be read" in problems["empty"]
    assert "key colour" in problems["wrong-key"]
    assert "'something'" in problems["renamed"]
    assert "malignancy.onnx is missing" in problems["no-head"]
    assert registry.default(None, None) == "xmag-lite0"
    with pytest.raises(ManifestInvalidError):
        registry.manifest("wrong-key")
    with pytest.raises(ModelFileChangedError):
        registry.default("no-head", None)
    with pytest.raises(NoModelError, match=r"XMAG_MODEL: .*malignancy.onnx is missing"):
        registry.default(None, "no-head")


@pytest.mark.parametrize(
    "name", ["../models/xmag-lite0", "..", ".", "", "/", "xmag-lite0/", "xmag-lite0/../xmag-lite0", "xmag-lite0\0", "~"]
)
def test_a_path_is_never_a_name(name: str, copied: Path) -> None:
    registry = ModelRegistry(copied.parent)
    for lookup in (registry.folder, registry.manifest, registry.manifest_sha256):
        with pytest.raises(ModelNotFoundError):
            lookup(name)
    with pytest.raises(ModelNotFoundError):
        registry.default(f"{name}/", None)


def test_an_absolute_path_is_never_a_name(copied: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        ModelRegistry(copied.parent).folder(str(copied))


def test_no_folder_or_an_empty_one_has_no_models(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        registry = ModelRegistry(folder)
        assert (registry.names(), registry.problems()) == ([], {})
        with pytest.raises(NoModelError, match=re.escape(str(folder))):
            registry.default(None, None)
        with pytest.raises(NoModelError, match="XMAG_MODEL"):
            registry.default(None, "xmag-lite0")
        with pytest.raises(ModelNotFoundError, match="no usable model"):
            registry.default("xmag-lite0", None)


def test_a_manifest_is_read_once_and_again_when_it_changes(copied: Path) -> None:
    registry = ModelRegistry(copied.parent)
    first = registry.manifest("xmag-lite0")
    assert registry.manifest("xmag-lite0") is first
    rewrite(copied, lambda document: document.update(version="9.9.9"))
    os.utime(copied / "manifest.json", ns=(1, 1))
    assert registry.manifest("xmag-lite0").version == "9.9.9"
    assert registry.manifest_sha256("xmag-lite0") == read_manifest(copied)[1]
