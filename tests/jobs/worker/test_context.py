"""How many jobs a worker works on at a time where nobody says; what becomes of a model that is replaced under it."""

import json
import shutil

import pytest
from structlog.testing import capture_logs

from app.jobs.worker.context import jobs_for
from app.run.worker_process import new_worker
from tests.service import ROOT


@pytest.mark.parametrize(("cores", "jobs"), [(1, 2), (2, 2), (4, 2), (6, 3), (16, 8), (128, 8)])
def test_half_the_cores_read_and_two_jobs_are_the_least(cores: int, jobs: int) -> None:
    assert jobs_for(cores) == jobs


def test_a_loaded_model_stays_and_the_log_says_when_its_folder_holds_another_or_none(make_parts, tmp_path) -> None:
    folder = tmp_path / "models" / "xmag-lite0"
    shutil.copytree(ROOT / "models" / "xmag-lite0", folder)
    shared = new_worker(make_parts(models_dir=folder.parent, device="cpu")).shared
    try:
        with capture_logs() as logs:
            model = shared.model("xmag-lite0")
            assert shared.model("xmag-lite0") is model
        assert logs == []
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        (folder / "manifest.json").write_text(json.dumps({**manifest, "version": "99"}), encoding="utf-8")
        with capture_logs() as logs:
            assert shared.model("xmag-lite0") is model
        shutil.rmtree(folder)
        with capture_logs() as gone:
            assert shared.model("xmag-lite0") is model
        for (said,) in (logs, gone):
            assert said["log_level"] == "warning" and said["loaded"] == manifest["version"]
    finally:
        shared.close()
