"""The golden tile: one synthetic tile that every student must answer as it did when it was exported.

A sha256 proves that the file is the same. The golden tile proves that it still computes the same, on this machine, with
this execution provider and this onnxruntime. Used by the export and by the service. Imports without onnxruntime.
"""

import numpy as np
from numpy.typing import NDArray

from app.errors import InferenceFailedError
from app.inference.manifest import Golden

GOLDEN_VALUES = 16


def golden_tile(tile_px: int) -> NDArray[np.uint8]:
    """uint8 [tile_px, tile_px, 3] RGB: dark rings on a pink slope, from whole numbers alone.

    No symmetry is left: flipped, transposed or with channels swapped it is another tile, and gives another embedding.
    """
    y, x = np.indices((tile_px, tile_px), dtype=np.int64)
    rings = ((x - 90) ** 2 + 2 * (y - 60) ** 2) // 97 % 64
    nuclei = np.where((x * 5 + y * 3) % 61 + (x * 2 - y * 7) % 53 < 22, 90, 0)
    red = 235 - rings - nuclei
    green = 120 + 80 * x // tile_px - rings - nuclei // 2
    blue = 190 + 40 * y // tile_px - rings // 2 - nuclei // 3
    return np.stack([red, green, blue], axis=2).clip(0, 255).astype(np.uint8)


def golden_values(embedding: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """float64 [count]: sums of all components of an embedding [D], each with a sign of its own, over the root of D.

    So every component counts in every value. A value is about as large as the components' root mean square. After ReLU
    most components of an embedding are 0; alone they would prove little. The signs are the last bits of SplitMix64
    (Steele et al. 2014): whole numbers, the same everywhere.
    """
    mixed = np.arange(count, dtype=np.uint64)[:, None] << np.uint64(32) | np.arange(embedding.size, dtype=np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ mixed >> np.uint64(shift)) * np.uint64(factor)
    signs = np.where((mixed ^ mixed >> np.uint64(31)) & np.uint64(1), -1.0, 1.0)
    return np.asarray(signs @ embedding.astype(np.float64) / np.sqrt(embedding.size))


def golden_of(embedding: NDArray[np.floating], tolerance: float) -> Golden:
    """What the manifest keeps of the golden tile's embedding [D], rounded to 6 decimals."""
    wide = embedding.astype(np.float64)
    values = [round(float(value), 6) for value in golden_values(wide, GOLDEN_VALUES)]
    return Golden(values=values, norm=round(float(np.linalg.norm(wide)), 6), tolerance=tolerance)


def check_golden(embedding: NDArray[np.float32], golden: Golden) -> None:
    """Compare the golden tile's embedding [D] with the manifest's. InferenceFailedError if it is another."""
    found = embedding.astype(np.float64)
    norm = float(np.linalg.norm(found))
    rms = golden.norm / np.sqrt(found.size)
    error = float(np.abs(golden_values(found, len(golden.values)) - golden.values).max() / rms)
    norm_error = abs(norm / golden.norm - 1.0)
    if not (error <= golden.tolerance and norm_error <= golden.tolerance):
        raise InferenceFailedError(
            f"The student does not compute what it computed when it was exported. The golden tile's embedding is off "
            f"by {error:.2g} (norm by {norm_error:.2g}), allowed is {golden.tolerance:.2g}. "
            "Restore the model's folder, or run on another device or onnxruntime."
        )
