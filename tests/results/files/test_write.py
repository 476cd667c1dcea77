import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from app.results.files.write import (
    geojson_name,
    heatmap_name,
    overlay_name,
    read_document,
    write_results,
    write_tissue_mask,
)
from app.results.schema import BoundsPart
from tests.results.make_result import Recipe, make_result


def test_every_file_is_there_and_agrees_with_the_others(tmp_path: Path) -> None:
    result = make_result()
    names = write_results(result, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert set(names) == {
        "result.json",
        "thumbnail.jpg",
        "qc_mask.png",
        "top_tile_01.jpg",
        "heatmap.png",
        "overlay.png",
        "attention.geojson",
        "embeddings.h5",
        "tissue_mask.png",
    }
    assert names[-1] == "result.json"
    squares = json.loads((tmp_path / "attention.geojson").read_text(encoding="utf-8"))["features"]
    with h5py.File(tmp_path / "embeddings.h5") as file:
        assert [square["geometry"]["coordinates"][0][0] for square in squares] == file["coords"][:].tolist()
    with Image.open(tmp_path / "overlay.png") as overlay, Image.open(tmp_path / "tissue_mask.png") as mask:
        assert overlay.mode == "RGBA"
        assert overlay.size == mask.size == (400, 320)


def test_result_json_reads_back_as_it_was(tmp_path: Path) -> None:
    result = make_result(Recipe(bounds=BoundsPart(x0=1, y0=2, width=3, height=4), warnings=["Präparat – blass"]))
    write_results(result, tmp_path)
    assert read_document(tmp_path) == result.document


def test_result_json_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    write_results(make_result(), tmp_path)
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    (tmp_path / "result.json").write_text(json.dumps(found | {"diagnosis": "cancer"}), encoding="utf-8")
    with pytest.raises(ValidationError, match="diagnosis"):
        read_document(tmp_path)


def test_a_slide_with_bounds_gets_both_frames(tmp_path: Path) -> None:
    result = make_result(Recipe(bounds=BoundsPart(x0=300, y0=1000, width=2000, height=1500)))
    names = write_results(result, tmp_path)
    assert {"attention.geojson", "attention.image.geojson"} <= set(names)
    for origin, expected in (("bounds", [300, 1000]), ("image", [0, 0])):
        file = tmp_path / geojson_name(result.document, origin)
        assert json.loads(file.read_text(encoding="utf-8"))["origin_px"] == expected


def test_each_task_has_its_pictures(tmp_path: Path) -> None:
    result = make_result(Recipe(tasks=("grade", "stage")))
    names = write_results(result, tmp_path)
    assert {"heatmap.png", "overlay.png", "heatmap.stage.png", "overlay.stage.png"} <= set(names)
    assert heatmap_name(result.document, "stage") == "heatmap.stage.png"
    assert heatmap_name(result.document, "grade") == heatmap_name(result.document) == "heatmap.png"
    assert overlay_name(result.document, "stage") == "overlay.stage.png"


def test_the_heatmap_describes_itself(tmp_path: Path) -> None:
    write_results(make_result(), tmp_path)
    with Image.open(tmp_path / "heatmap.png") as heatmap:
        assert "not where tumour is" in heatmap.info["Description"]


def test_nothing_written_holds_a_path(tmp_path: Path) -> None:
    names = write_results(make_result(), tmp_path)
    assert all(str(tmp_path).encode() not in (tmp_path / name).read_bytes() for name in names)


def test_same_result_same_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        names = write_results(make_result(), folder)
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_tissue_mask_alone(tmp_path: Path) -> None:
    mask = np.zeros((3, 5), dtype=np.bool_)
    mask[1, 2] = True
    assert write_tissue_mask(mask, tmp_path) == "tissue_mask.png"
    with Image.open(tmp_path / "tissue_mask.png") as picture:
        assert np.asarray(picture).tolist() == [[0] * 5, [0, 0, 255, 0, 0], [0] * 5]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_results(make_result(), tmp_path / "missing")
