"""Which source made a model."""

import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def source_commit() -> str:
    """The commit of this checkout, with ``-dirty`` when training or inference code differs from it.

    "unknown" where the package does not lie in a git checkout.
    """
    root = _git("rev-parse", "--show-toplevel")
    commit = _git("rev-parse", "HEAD")
    if root is None or commit is None:
        return "unknown"
    changed = _git("-C", root, "status", "--porcelain", "--", "training", "app/inference")
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_HERE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
