"""What all configs have in common: YAML in, frozen, unknown keys refused, faults named by key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base of every config and its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def read(cls, path: Path, **instead: Any) -> Self:
        """From a YAML file; ``instead``: values in place of the file's, unless they are None.

        pydantic's ValidationError names each key at fault. Paths are as seen from the shell. ValueError where the file
        is no YAML.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is no YAML: {error}") from error
        given = {key: value for key, value in instead.items() if value is not None}
        return cls.model_validate({**content, **given} if isinstance(content, dict) else content)


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Each key of ``new`` of which ``old`` says something else, in words: `optim.epochs 4, now 8`."""
    before = _flat(old)
    return "; ".join(
        f"{key} {before.get(key)!r}, now {value!r}"
        for key, value in sorted(_flat(new).items())
        if before.get(key) != value
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        inner = _flat(value) if isinstance(value, Mapping) else {"": value}
        found |= {f"{key}.{name}".rstrip("."): part for name, part in inner.items()}
    return found
