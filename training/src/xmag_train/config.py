"""What all configs have in common: YAML in, frozen, unknown keys refused, faults named by key."""

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base of every config and its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a YAML file. pydantic's ValidationError names each key at fault. Paths are as seen from the shell."""
        return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
