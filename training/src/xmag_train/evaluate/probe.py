"""Linear probe of pictures in folders by label: logistic regression on embeddings, cross-validated by case."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xmag_train.data.cohort.folds import folds_by_case
from xmag_train.data.cohort.table import read_rows
from xmag_train.evaluate.config import TileTask
from xmag_train.evaluate.retention import Retention, retention
from xmag_train.files import file_sha256, write_bytes
from xmag_train.geometry import REGION_MPP, REGION_PX
from xmag_train.machine import torch_device
from xmag_train.mil.encode import EncoderConfig, load_encoder, mean_by_place
from xmag_train.progress import track

PICTURES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}
RIDGE = 1e-2
KEPT_PICTURES = 64
BATCH_PICTURES = 8


@dataclass(frozen=True)
class Pictures:
    """``files`` with the index of their label and their case; ``labels``: names of the subfolders, sorted."""

    labels: tuple[str, ...]
    files: tuple[Path, ...]
    targets: NDArray[np.int64]
    cases: tuple[str, ...]


def find_pictures(task: TileTask) -> Pictures:
    """ValueError for fewer than two labels, or a picture that ``cases_csv`` does not name."""
    labels = tuple(sorted(folder.name for folder in task.folder.iterdir() if folder.is_dir()))
    if len(labels) < 2:
        raise ValueError(f"{task.folder} has {len(labels)} subfolders: one for each label is needed")
    found = [
        (path, index)
        for index, label in enumerate(labels)
        for path in sorted((task.folder / label).iterdir())
        if path.suffix.lower() in PICTURES
    ]
    names = [str(path.relative_to(task.folder)) for path, _ in found]
    if task.cases_csv is None:
        cases = names
    else:
        known = {row["file"]: row["case"] for row in read_rows(task.cases_csv, ["file", "case"])}
        missing = [name for name in names if name not in known]
        if missing:
            raise ValueError(f"{task.cases_csv.name} names no case of {missing[:3]}")
        cases = [known[name] for name in names]
    return Pictures(labels, tuple(path for path, _ in found), np.asarray([index for _, index in found]), tuple(cases))


def field_of(path: Path, mpp: float) -> NDArray[np.uint8]:
    """The middle 448 µm of a picture, uint8 [896, 896, 3] at 0.5 µm/px. ValueError if it shows less."""
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    side = REGION_PX * REGION_MPP / mpp
    if min(rgb.size) < side - 1:
        raise ValueError(f"{path.name} is {rgb.size} px at {mpp} µm/px: less than the {side:.0f} px of a 448 µm field")
    side = min(side, *rgb.size)
    left, top = (rgb.width - side) / 2, (rgb.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(rgb.resize((REGION_PX, REGION_PX), Image.Resampling.LANCZOS, box=box))


def embed_pictures(
    files: Sequence[Path], mpp: float, encoder: EncoderConfig, device: str, kept: Path
) -> NDArray[np.float32]:
    """float32 [n, D]: one field each, the mean over its tiles.

    ``kept``: folder where every ``KEPT_PICTURES`` are written, and found again by the same encoder.
    """
    load, identity = cache(partial(load_encoder, encoder, device)), encoder.identity()
    parts = []
    for start in track(range(0, len(files), KEPT_PICTURES), f"pictures by the {encoder.kind}, in {KEPT_PICTURES}s"):
        some = files[start : start + KEPT_PICTURES]
        path = kept / f"{_key(some, mpp, identity)}.npy"
        if not path.is_file():
            encode, cut = load()
            batches = (some[at : at + BATCH_PICTURES] for at in range(0, len(some), BATCH_PICTURES))
            rows = [
                mean_by_place(encode, np.concatenate([cut(field_of(one, mpp)) for one in batch]), len(batch), device)
                for batch in batches
            ]
            buffer = io.BytesIO()
            np.save(buffer, np.concatenate(rows))
            write_bytes(path, buffer.getvalue())
        parts.append(np.load(path))
    return np.concatenate(parts)


def _key(files: Sequence[Path], mpp: float, encoder: Mapping[str, str]) -> str:
    decides = [encoder["encoder"], encoder["encoder_sha256"], mpp, [file_sha256(path) for path in files]]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()


def probe_logits(
    features: NDArray[np.floating], targets: NDArray[np.int64], cases: Sequence[str], folds: Mapping[str, int]
) -> NDArray[np.float64]:
    """Out-of-fold logits float64 [n, C] of features [n, D], by a logistic regression with balanced class weights.

    Features are standardised by the training part of each fold. ValueError where a class is missing from one.
    """
    classes = int(targets.max()) + 1
    of_row = np.asarray([folds[case] for case in cases])
    values = np.asarray(features, np.float64)
    logits = np.zeros((len(targets), classes))
    for fold in np.unique(of_row):
        test = of_row == fold
        if len(np.unique(targets[~test])) < classes:
            raise ValueError(f"a label has no picture outside fold {fold}: take fewer folds or bring more cases")
        # RIDGE is of one weight vector a class beside a mean loss; for two classes scikit-learn has their difference.
        strength = (2 if classes == 2 else 1) / (RIDGE * (~test).sum())
        logistic = LogisticRegression(C=strength, class_weight="balanced", tol=1e-6, max_iter=1000)
        model = make_pipeline(StandardScaler(), logistic).fit(values[~test], targets[~test])
        found = model.decision_function(values[test])
        logits[test] = found if classes > 2 else np.column_stack([np.zeros_like(found), found])
    return logits


def probe(task: TileTask, out: Path) -> tuple[Pictures, list[Retention]]:
    """Teacher and student on the same pictures, folds and probe. ``out``: the task's folder; it keeps embeddings."""
    pictures = find_pictures(task)
    folds = folds_by_case(pictures.cases, pictures.targets.tolist(), task.folds, task.seed)
    logits = {}
    for arm, encoder in (("teacher", task.teacher), ("student", task.student)):
        features = embed_pictures(pictures.files, task.mpp, encoder, torch_device(task.device), out / "pictures")
        logits[arm] = probe_logits(features, pictures.targets, pictures.cases, folds)
    return pictures, retention(logits, "teacher", pictures.targets, pictures.cases)
