"""`curate.json`, beside the shards: what they were cut by, so that shards of two configs never mix."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xmag_train.config import changes
from xmag_train.files import write_json

CLAIM_FILE = "curate.json"


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Say that the shards of ``folder`` are cut by ``settings`` (JSON's values alone).

    ValueError where they were cut by others, or do not say by what.
    """
    path = folder / CLAIM_FILE
    mine = {"fingerprint": fingerprint(settings), "settings": dict(settings)}
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["fingerprint"] != mine["fingerprint"]:
            raise ValueError(
                f"{folder} holds regions cut by another config ({changes(found['settings'], settings)}): choose "
                "another folder, or erase it"
            )
        return
    if any(folder.glob("*.tar")):
        raise ValueError(f"the shards in {folder} do not say by which config they were cut: choose another folder")
    write_json(path, mine)


def fingerprint(settings: Mapping[str, Any]) -> str:
    """sha256 of the settings, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
