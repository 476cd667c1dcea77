"""Bags on disk, one HDF5 per slide, in the form in which the service writes its embeddings."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Bag:
    """``features`` float32 [N, D]; ``coords`` int64 [N, 2], level-0 px (x, y) of each instance's top-left.

    ``attributes``: what the file says of where it comes from, such as ``encoder_sha256``.
    """

    features: NDArray[np.float32]
    coords: NDArray[np.int64]
    attributes: Mapping[str, str] = field(default_factory=dict)

    def encoder(self) -> tuple[str, str]:
        """(name, sha256) of what made the features. ValueError where the file does not say."""
        if not {"encoder", "encoder_sha256"} <= set(self.attributes):
            raise ValueError("the bag does not say which encoder made it: attributes encoder and encoder_sha256")
        return self.attributes["encoder"], self.attributes["encoder_sha256"]


def write_bag(path: Path, bag: Bag) -> None:
    """Write ``path`` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with h5py.File(draft, "w") as file:
        file.create_dataset("features", data=bag.features)
        file.create_dataset("coords", data=bag.coords)
        file.attrs.update(bag.attributes)
    draft.replace(path)


def read_bag(path: Path) -> Bag:
    """ValueError if the file is no bag, is empty, or holds a value that is not finite."""
    with h5py.File(path, "r") as file:
        if "features" not in file or "coords" not in file:
            raise ValueError(f"{path.name} holds no features and coords")
        attributes = {name: str(value) for name, value in file.attrs.items()}
        bag = Bag(np.asarray(file["features"], np.float32), np.asarray(file["coords"], np.int64), attributes)
    if bag.features.ndim != 2 or bag.coords.shape != (len(bag.features), 2) or len(bag.features) == 0:
        raise ValueError(f"{path.name}: features {bag.features.shape} and coords {bag.coords.shape} make no bag")
    if not np.isfinite(bag.features).all():
        raise ValueError(f"{path.name} holds values that are not finite")
    return bag


def path_of_fold(pattern: str, fold: int | None) -> Path:
    """A fold's folder or file: `{fold}` in ``pattern`` stands for its number, or for `all` (None)."""
    return Path(pattern.replace("{fold}", "all" if fold is None else str(fold)))


def check_bags(pattern: str, folds: Iterable[int | None], slides: Sequence[str]) -> None:
    """FileNotFoundError unless every slide has its bag in the folder of each of ``folds``; None: of all."""
    for folder in dict.fromkeys(path_of_fold(pattern, fold) for fold in folds):
        _existing(folder, slides)


def read_features(folder: Path, slides: Iterable[str]) -> dict[str, Tensor]:
    """Slide → float32 [N, D]. FileNotFoundError names the slides without a bag; ValueError for unequal widths."""
    paths = _existing(folder, list(slides))
    features = {path.stem: torch.from_numpy(read_bag(path).features) for path in paths}
    widths = {bag.shape[1] for bag in features.values()}
    if len(widths) > 1:
        raise ValueError(f"bags of {folder} have different widths: {sorted(widths)}")
    return features


def bag_stamps(folder: Path, slides: Iterable[str]) -> list[str]:
    """What tells each slide's bag from another of the same name: its encoder, its shape, its features and its places.

    FileNotFoundError names the slides without a bag.
    """
    stamps = []
    for path in _existing(folder, list(slides)):
        with h5py.File(path, "r") as file:
            encoder, shape = file.attrs.get("encoder_sha256", ""), file["features"].shape
            values = (_sha256(np.asarray(file[name])) for name in ("features", "coords"))
            stamps.append(f"{path.stem} {encoder} {shape} {' '.join(values)}")
    return stamps


def common_encoder(folder: Path, slides: Iterable[str]) -> tuple[str, str]:
    """(name, sha256) of what made all of these bags; two empty words where they do not say, or not the same."""
    found = set()
    for path in _existing(folder, list(slides)):
        with h5py.File(path, "r") as file:
            found.add((str(file.attrs.get("encoder", "")), str(file.attrs.get("encoder_sha256", ""))))
    return found.pop() if len(found) == 1 else ("", "")


def _existing(folder: Path, slides: Sequence[str]) -> list[Path]:
    missing = [slide for slide in slides if not (folder / f"{slide}.h5").is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks bags of {len(missing)} slides, such as {missing[:3]}: make them by `xmag-train embed` or "
            "`bags`. Those that `embed` skipped (its metrics.json says which, and why) have none: empty their cells in "
            "the task's column of labels.csv"
        )
    return [folder / f"{slide}.h5" for slide in slides]


def _sha256(values: NDArray[Any]) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()
