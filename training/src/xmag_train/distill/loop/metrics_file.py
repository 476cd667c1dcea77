"""`metrics.jsonl`: one line a logged step, in order, also after a run was killed and resumed."""

import json
from pathlib import Path

from xmag_train.files import write_text


class MetricsFile:
    """Lines past ``steps_done`` come from work that was lost with its process: they are taken out at the start."""

    def __init__(self, path: Path, steps_done: int) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if _step(line, steps_done) <= steps_done]
        write_text(path, "".join(f"{line}\n" for line in kept))

    def add(self, step: int, **values: float | str | None) -> None:
        """One line; ``step`` counts steps done, ``wall_s`` the seconds that they took."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def _step(line: str, steps_done: int) -> int:
    """The line's step; past the end for a line that a killed process left unfinished."""
    try:
        return int(json.loads(line)["step"])
    except json.JSONDecodeError:
        return steps_done + 1
