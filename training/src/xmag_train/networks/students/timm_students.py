"""Students whose backbone is timm's: DINOv2 and EfficientViT-M2."""

from torch import Tensor, nn

from xmag_train.geometry import TILE_PX, TOKENS
from xmag_train.networks.backbones.pixels import Normalise
from xmag_train.networks.backbones.timm_import import import_timm

PATCHES = 16
VIT_SMALL = "vit_small_patch14_dinov2"
VIT_BASE = "vit_base_patch14_dinov2"
EFFICIENTVIT = "efficientvit_m2"


class VitStudent(nn.Module):
    """DINOv2: ViT-S/14 and ViT-B/14 (Oquab et al. 2023, arXiv 2304.07193; code and weights Apache-2.0).

    uint8 [N, 224, 224, 3] → class token [N, D] and 4×4 means of patch tokens [N, 4, 4, D], both normed.
    At 224 px a tile is 16×16 patches, so that a token is the mean of exactly 4×4 patches.
    """

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


class EfficientVitStudent(nn.Module):
    """EfficientViT-M2 (Liu et al. 2023, arXiv 2305.07027; weights MIT): three times as fast as EfficientNet-Lite0.

    uint8 [N, 224, 224, 3] → mean of the map [N, 224] and its cells [N, 4, 4, 224]. At 224 px its last map
    is 4×4, one cell for each 20x teacher tile, no pooling between them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.net = import_timm().create_model(EFFICIENTVIT, pretrained=False, num_classes=0)
        self.embedding_dim = int(self.net.num_features)

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding and tokens (row, column)."""
        cells = self.net.forward_features(self.normalise(tiles))
        return cells.mean(dim=(2, 3)), cells.permute(0, 2, 3, 1)
