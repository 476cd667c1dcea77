"""DINOv2 students: ViT-S/14 and ViT-B/14 (Oquab et al. 2023, arXiv 2304.07193; code and weights Apache-2.0).

At 224 px a tile is 16×16 patches, so that a token is the mean of exactly 4×4 patches. The embedding is the class token.
"""

from torch import Tensor, nn

from xmag_train.geometry import TILE_PX, TOKENS
from xmag_train.networks.backbones.pixels import Normalise
from xmag_train.networks.backbones.timm_import import import_timm

PATCHES = 16
VIT_SMALL = "vit_small_patch14_dinov2"
VIT_BASE = "vit_base_patch14_dinov2"


class VitStudent(nn.Module):
    """uint8 [N, 224, 224, 3] → class token [N, D] and 4×4 means of patch tokens [N, 4, 4, D], both normed."""

    def __init__(self, architecture: str, **arguments: int) -> None:
        """architecture: timm's name. arguments: to change its size in tests (``depth``)."""
        super().__init__()
        self.normalise = Normalise()
        self.vit = import_timm().create_model(
            architecture, pretrained=False, num_classes=0, img_size=TILE_PX, dynamic_img_size=False, **arguments
        )
        self.embedding_dim = int(self.vit.num_features)

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Class token and tokens (row, column)."""
        sequence = self.vit.forward_features(self.normalise(tiles))
        patches = sequence[:, self.vit.num_prefix_tokens :]
        side = PATCHES // TOKENS
        blocks = patches.reshape(-1, TOKENS, side, TOKENS, side, self.embedding_dim)
        return sequence[:, 0], blocks.mean(dim=(2, 4))
