"""What a run learns from lies in the caches, not in each process's memory; the cases left out are passed over."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from tiny_distill import TinyTeacher, tiny_config

from xmag_train.data.cohort.table import write_rows
from xmag_train.distill.loop import data
from xmag_train.distill.loop.batches import BatchMaker
from xmag_train.distill.loop.sampler import Draw
from xmag_train.distill.views.readings import READINGS
from xmag_train.distill.views.tiles import region_tiles
from xmag_train.distill.views.view import PLAIN, Symmetry, teacher_tiles


def test_a_draw_gets_its_own_regions_rows_of_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "build_teacher", lambda *_: TinyTeacher())
    config = tiny_config(tmp_path, tmp_path / "run").model_copy(update={"leave_out_cases": ("case0",)})
    learnt = data.prepare(config, data.read_sources(config), Fabric(accelerator="cpu", devices=1))
    assert {region.meta.case for region in learnt.regions} == {"case1"}
    assert learnt.targets is not None
    assert all(isinstance(cache, np.memmap) for cache in (learnt.tiles, *learnt.targets))
    places = range(len(learnt.regions))
    made = BatchMaker(learnt, config).make([Draw(at, 0, 1, Symmetry()) for at in places])
    reading = READINGS.index(config.readings[1])
    assert made.targets is not None
    for at, region in enumerate(learnt.regions):
        np.testing.assert_array_equal(made.tiles[at], region_tiles(region)[reading])
        wanted = TinyTeacher()(teacher_tiles(region.pixels(), PLAIN))
        torch.testing.assert_close(made.targets[at].float(), wanted, rtol=1e-2, atol=1e-2)  # the cache's float16


def test_a_region_whose_case_no_fold_has_is_not_learnt_from(tmp_path: Path) -> None:
    write_rows(tmp_path / "folds.csv", ["case", "fold"], [("case0", 0)])
    config = tiny_config(tmp_path, tmp_path / "run").model_copy(update={"folds": tmp_path / "folds.csv"})
    with pytest.raises(ValueError, match=r"folds\.csv has no fold for \['case1'\]"):
        data.read_sources(config)


def test_a_case_of_the_fold_without_a_region_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "build_teacher", lambda *_: TinyTeacher())
    write_rows(tmp_path / "folds.csv", ["case", "fold"], [("case0", 0), ("skipped", 0), ("case1", 1), ("none", 2)])
    more = {"folds": tmp_path / "folds.csv", "leave_out_fold": 0}
    config = tiny_config(tmp_path, tmp_path / "run").model_copy(update=more)
    sources = data.read_sources(config)
    assert {sources.every[at].meta.case for at in sources.rows} == {"case1"}
    assert capsys.readouterr().err == "left out, though no region is of them: the cases skipped\n"
    with pytest.raises(ValueError, match="no region is of the cases of fold 2"):
        data.read_sources(config.model_copy(update={"leave_out_fold": 2}))
    with pytest.raises(ValueError, match=r"cases to leave out that no region has: \['case9'\]"):
        data.read_sources(config.model_copy(update={"leave_out_cases": ("case9",)}))
