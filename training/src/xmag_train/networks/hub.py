"""Weights from the Hugging Face hub: an optional extra; gated ones need `hf auth login` first."""

import importlib.util
from pathlib import Path

FILES = ("model.safetensors", "pytorch_model.bin")


def download_weights(repository: str) -> Path:
    """The weights file of ``repository`` in the local cache. FileNotFoundError if it has none of the usual names.

    The hub's own errors (no access, no network) are passed on: they say what to do.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ImportError("huggingface_hub is not installed: pip install xmag-train[hub]")
    from huggingface_hub import hf_hub_download, list_repo_files  # noqa: PLC0415 - an optional extra

    there = list_repo_files(repository)
    for name in FILES:
        if name in there:
            return Path(hf_hub_download(repository, name))
    raise FileNotFoundError(f"{repository} has none of {', '.join(FILES)}")
