"""A fit on disk, epoch by epoch: a killed one goes on where it was, to the very weights it would have come to."""

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xmag_train.write import save_torch


class KeptFits:
    """The unfinished fits of one result: `<stem>.<part>.part.pt` in ``folder``.

    ``identity``: all that decides the result; files of another are as good as none. ``every_s``: how much work may be
    lost. What goes on does so exactly, whenever it was kept.
    """

    def __init__(self, folder: Path, stem: str, identity: str, every_s: float) -> None:
        self._folder, self._stem, self._every_s = folder, stem, every_s
        self._identity = hashlib.sha256(identity.encode()).hexdigest()

    def part(self, name: str) -> "KeptFit":
        """One of the fits that make the result."""
        return KeptFit(self._folder / f"{self._stem}.{name}.part.pt", self._identity, self._every_s)

    def erase(self) -> None:
        """To be called when the result is on disk."""
        for path in self._folder.glob(f"{self._stem}.*.part.pt"):
            path.unlink()


class KeptFit:
    """One fit's state after its last kept epoch."""

    def __init__(self, path: Path, identity: str, every_s: float) -> None:
        self._path, self._identity, self._every_s = path, identity, every_s
        self._kept_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What ``save`` was given last; None if that was never, or for another identity."""
        if not self._path.is_file():
            return None
        content = torch.load(self._path, map_location="cpu", weights_only=True)
        return dict(content["state"]) if content["identity"] == self._identity else None

    def save(self, state: dict[str, Any], last: bool) -> None:
        """Keep ``state`` if it is time, or if it is the ``last`` of this fit. Tensors and plain values only."""
        now = time.monotonic()
        if last or now - self._kept_at >= self._every_s:
            save_torch(self._path, {"identity": self._identity, "state": state})
            self._kept_at = now


def epoch_seed(seed: int, epoch: int) -> int:
    """What all drawing in an epoch starts from: it needs no memory of the epochs before."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
