"""A fit on disk, epoch by epoch: a killed one goes on where it was, to the very weights it would have come to.

It counts its steps and seconds, those before the kill included.
"""

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from xmag_train.config import Config
from xmag_train.files import save_torch


class Effort(Config):
    """``steps`` of an optimiser, and the seconds by the clock on the wall that they took."""

    steps: int
    wall_s: float


def total(efforts: Iterable[Effort]) -> dict[str, float]:
    """Of all."""
    known = list(efforts)
    return {"steps": sum(one.steps for one in known), "wall_s": round(sum(one.wall_s for one in known), 1)}


class KeptFits:
    """The unfinished fits of one result: `<stem>.<part>.part.pt` in ``folder``.

    ``identity``: all that decides the result; files of another are as good as none. ``every_s``: how much work may be
    lost. What goes on does so exactly, whenever it was kept.
    """

    def __init__(self, folder: Path, stem: str, identity: str, every_s: float) -> None:
        self._folder, self._stem, self._every_s = folder, stem, every_s
        self._identity = hashlib.sha256(identity.encode()).hexdigest()
        self._parts: list[KeptFit] = []

    def part(self, name: str) -> "KeptFit":
        """One of the fits that make the result."""
        self._parts.append(KeptFit(self._folder / f"{self._stem}.{name}.part.pt", self._identity, self._every_s))
        return self._parts[-1]

    def effort(self) -> Effort:
        """Of all parts so far."""
        efforts = [part.effort for part in self._parts]
        return Effort(steps=sum(one.steps for one in efforts), wall_s=sum(one.wall_s for one in efforts))

    def erase(self) -> None:
        """To be called when the result is on disk."""
        for path in self._folder.glob(f"{self._stem}.*.part.pt"):
            path.unlink()


class KeptFit:
    """One fit's state after its last kept epoch."""

    def __init__(self, path: Path, identity: str, every_s: float) -> None:
        self._path, self._identity, self._every_s = path, identity, every_s
        self._kept_at = self._counted_at = time.monotonic()
        self.effort = Effort(steps=0, wall_s=0.0)

    def load(self) -> dict[str, Any] | None:
        """What ``save`` was given last; None if that was never, or for another identity."""
        if not self._path.is_file():
            return None
        content = torch.load(self._path, map_location="cpu", weights_only=True)
        if content["identity"] != self._identity:
            return None
        self.effort = Effort.model_validate(content["effort"])
        return dict(content["state"])

    def save(self, state: dict[str, Any], last: bool, steps: int) -> None:
        """Keep ``state`` if it is time, or if it is the ``last`` of this fit. Tensors and plain values only.

        ``steps``: of the optimiser, since the last call.
        """
        now = time.monotonic()
        self.effort = Effort(steps=self.effort.steps + steps, wall_s=self.effort.wall_s + now - self._counted_at)
        self._counted_at = now
        if last or now - self._kept_at >= self._every_s:
            content = {"identity": self._identity, "state": state, "effort": self.effort.model_dump()}
            save_torch(self._path, content)
            self._kept_at = now
