"""What a config's word for a device means on this machine."""

import torch


def torch_device(word: str) -> str:
    """torch's own word; ``auto``: cuda where there is one, else cpu."""
    if word != "auto":
        return word
    return "cuda" if torch.cuda.is_available() else "cpu"
