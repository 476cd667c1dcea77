"""EfficientNet-Lite: convolutions only, no squeeze-and-excitation, ReLU6.

Architecture: Tan & Le 2019 (arXiv 1905.11946), table 1, scaled by width and depth, in its "Lite" form. It has no
squeeze-and-excitation, and ReLU6 instead of swish. Stem and head are not scaled in width, first and last stage not in
depth. Padding is TensorFlow's SAME, as for the ImageNet weights: at stride 2 on even sides the odd pixel goes to the
right and the bottom.

timm's `tf_efficientnet_lite0` and `2` are the same networks (a test compares them). They lack three additions: blocks
left out, fewer hidden channels, and a training step on a CPU in half to two thirds of the time. Besides, timm
needs torchvision, which the shipped student does not.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from xmag_train.geometry import TILE_PX, TOKENS
from xmag_train.networks.backbones.depthwise import DepthwiseConv2d
from xmag_train.networks.backbones.narrowing import narrowed
from xmag_train.networks.token_pool import pooling_matrix

EMBEDDING_DIM = 1280
STEM_CHANNELS = 32
MAP_STRIDE = 32
# EfficientNet-Lite's own scaling of 0..255 pixels: (x - 127) / 128.
PIXEL_MEAN = 127.0
PIXEL_STD = 128.0
_CHANNELS_STEP = 8
_HIDDEN_STEP = 16  # what a processor multiplies at once


class Stage(NamedTuple):
    """A run of equal blocks; only its first block has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


class Scale(NamedTuple):
    """Factors on channels and on repeats of the unscaled network."""

    width: float
    depth: float


LITE0 = Scale(1.0, 1.0)
LITE2 = Scale(1.1, 1.2)

STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)

ALL_HIDDEN = (1.0,) * len(STAGES)


def scaled_channels(channels: int, width: float) -> int:
    """``channels * width`` to the nearest multiple of 8, never more than a tenth below."""
    wanted = channels * width
    rounded = max(_CHANNELS_STEP, int(wanted + _CHANNELS_STEP / 2) // _CHANNELS_STEP * _CHANNELS_STEP)
    return rounded + _CHANNELS_STEP if rounded < 0.9 * wanted else rounded


def scaled_stages(scale: Scale) -> list[Stage]:
    """The stages of the network scaled by ``scale``; the first and the last keep their one block."""
    last = len(STAGES) - 1
    return [
        stage._replace(
            channels=scaled_channels(stage.channels, scale.width),
            repeats=stage.repeats if index in (0, last) else math.ceil(stage.repeats * scale.depth),
        )
        for index, stage in enumerate(STAGES)
    ]


def hidden_channels(inputs: int, expansion: int, share: float) -> int:
    """How many channels a block expands to: ``share`` of all, to the nearest 16; all of one that does not expand."""
    whole = inputs * expansion
    return whole if expansion == 1 or share == 1.0 else int(whole * share / _HIDDEN_STEP + 0.5) * _HIDDEN_STEP


def conv_norm(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """SAME padding, convolution without bias, batch norm (TensorFlow's momentum 0.99 and epsilon 1e-3)."""
    total = kernel - stride  # on a side that the stride divides
    before = total // 2
    layers: list[nn.Module] = []
    if total > 0:
        layers.append(nn.ZeroPad2d((before, total - before, before, total - before)))
    if groups == inputs == outputs:
        layers.append(DepthwiseConv2d(inputs, kernel, stride))
    else:
        layers.append(nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False))
    layers.append(nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01))
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; added to its input where the shapes allow (MobileNetV2, arXiv 1801.04381)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.expand = conv_norm(inputs, hidden) if hidden != inputs else None
        self.depthwise = conv_norm(hidden, hidden, kernel, stride, groups=hidden)
        self.project = conv_norm(hidden, outputs)
        self.act = nn.ReLU6()
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, h, w] → [N, outputs, h / stride, w / stride]."""
        y = x if self.expand is None else self.act(self.expand(x))
        y = self.project(self.act(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """uint8 tiles in, embedding and tokens out; pixel scaling is part of the graph.

    ``side_px``: the side to which a tile is brought down, linearly, before the first convolution: the cost goes with
    its square. A multiple of 32. ``left_out``: numbers of blocks that are not there; the others keep their numbers, and
    so their names among the weights. ValueError for one that does not add to its input, without which nothing fits.
    ``hidden_shares``: by stage, of the channels that its blocks expand to, how many there are, to the nearest 16.
    """

    pool: Tensor
    embedding_dim = EMBEDDING_DIM

    def __init__(
        self,
        scale: Scale = LITE0,
        side_px: int = TILE_PX,
        left_out: tuple[int, ...] = (),
        hidden_shares: tuple[float, ...] = ALL_HIDDEN,
    ) -> None:
        super().__init__()
        self.left_out = left_out
        self.side_px = side_px
        self.stem = conv_norm(3, STEM_CHANNELS, kernel=3, stride=2)
        blocks: list[InvertedResidual] = []
        inputs = STEM_CHANNELS
        for stage, share in zip(scaled_stages(scale), hidden_shares, strict=True):
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                hidden = hidden_channels(inputs, stage.expansion, share)
                blocks.append(InvertedResidual(inputs, stage.channels, stage.kernel, stride, hidden))
                inputs = stage.channels
        if not all(blocks[number].residual for number in left_out):
            raise ValueError(f"of the blocks {left_out} only those can be left out that add to their input")
        kept = {str(number): block for number, block in enumerate(blocks) if number not in left_out}
        self.blocks = nn.Sequential(OrderedDict(kept))
        self._hidden = {f"blocks.{number}.": block.hidden for number, block in kept.items()}
        self.top = conv_norm(inputs, EMBEDDING_DIM)
        self.act = nn.ReLU6()
        self.register_buffer("pool", pooling_matrix(side_px // MAP_STRIDE, TOKENS), persistent=False)

    def feature_map(self, tiles: Tensor) -> Tensor:
        """uint8 [N, 224, 224, 3] RGB → float [N, 1280, c, c], c the side over 32: 7 where it is the tile's."""
        pixels = tiles.permute(0, 3, 1, 2).to(self.pool.dtype)
        if self.side_px != TILE_PX:
            pixels = functional.interpolate(pixels, size=(self.side_px, self.side_px), mode="bilinear")
        x = (pixels - PIXEL_MEAN) * (1.0 / PIXEL_STD)
        return self.act(self.top(self.blocks(self.act(self.stem(x)))))

    def fitting(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of a network's weights, which may have all blocks and all hidden channels, those that have a place here."""
        absent = tuple(f"blocks.{number}." for number in self.left_out)
        present = {name: value for name, value in state.items() if not name.startswith(absent)}
        return narrowed(present, self._hidden)

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [N, 224, 224, 3] RGB → embedding [N, 1280], tokens [N, 4, 4, 1280] (row, column).

        The embedding is the mean of the map, hence also the mean of the tokens.
        """
        cells = self.feature_map(tiles).flatten(2)
        tokens = (cells @ self.pool).transpose(1, 2).reshape(-1, TOKENS, TOKENS, EMBEDDING_DIM)
        return cells.mean(dim=2), tokens
