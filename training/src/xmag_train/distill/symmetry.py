"""The eight symmetries of a square, applied alike to pixels and to the grid of tokens."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Symmetry:
    """Mirror left-right first (``mirrored``), then ``turns`` quarter turns counter-clockwise (0 to 3)."""

    mirrored: bool = False
    turns: int = 0

    def apply(self, grid: Tensor) -> Tensor:
        """[rows, columns, ...] → the same, mirrored and turned. Exact: values are moved, never mixed.

        Pixels [896, 896, 3] and tokens [4, 4, D] alike: token (i, j) stays the mean of the pixels of block (i, j).
        """
        moved = grid.flip(1) if self.mirrored else grid
        return moved.rot90(self.turns, (0, 1))


SYMMETRIES = tuple(Symmetry(mirrored, turns) for mirrored in (False, True) for turns in range(4))
