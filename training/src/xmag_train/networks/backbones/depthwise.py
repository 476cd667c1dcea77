"""Depthwise convolution with a backward pass of its own for bfloat16 on a CPU.

oneDNN falls to its reference code there for two cases: the pixels' gradient at stride 2, and the weights' gradient of
a 5×5 filter. Both are written with what it does fast; a step of EfficientNet-Lite0 takes half the time.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

_SLOW_KERNEL = 5


class DepthwiseConv2d(nn.Conv2d):
    """`nn.Conv2d` with as many groups as channels, no bias and no padding; the same names in a state dict."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C, (h − kernel) / stride + 1, …]."""
        if self.training and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            return _bfloat16_depthwise(x.bfloat16(), self.weight, self.stride[0])
        return super().forward(x)


class _Bfloat16Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return conv2d(x, weight.bfloat16(), stride=stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        (grad,) = grads
        if ctx.stride == 2:
            grad_x = strided_input_gradient(grad, weight.to(grad.dtype), x.shape[2:])
        else:
            grad_x = _backward(grad, x, weight.to(grad.dtype), ctx.stride, wanted=0)
        exact = torch.float32 if weight.shape[-1] >= _SLOW_KERNEL else grad.dtype
        grad_weight = _backward(grad.to(exact), x.to(exact), weight.to(exact), ctx.stride, wanted=1)
        return grad_x, grad_weight.to(weight.dtype), None


def _bfloat16_depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return _Bfloat16Depthwise.apply(x, weight, stride)  # type: ignore[no-untyped-call]  # torch leaves it untyped


def strided_input_gradient(grad: Tensor, weight: Tensor, size: torch.Size) -> Tensor:
    """Gradient of a depthwise convolution's input at stride 2: a convolution at stride 1 for each parity of pixels.

    grad [N, C, oh, ow]; weight [C, 1, k, k]; size (h, w) of the input → [N, C, h, w]. Pixel 2m + p is met by the
    filter's rows of parity p only, from the outputs m, m − 1, …
    """
    height, width = size
    out = grad.new_empty((*grad.shape[:2], height, width)).to(memory_format=torch.channels_last)
    for row in range(2):
        for column in range(2):
            part = weight[:, :, row::2, column::2].flip(2, 3).contiguous()
            above, left = part.shape[2] - 1, part.shape[3] - 1
            below = (height - row + 1) // 2 - grad.shape[2]
            right = (width - column + 1) // 2 - grad.shape[3]
            padded = pad(grad, (left, right, above, below))
            out[:, :, row::2, column::2] = conv2d(padded, part, groups=len(weight))
    return out


def _backward(grad: Tensor, x: Tensor, weight: Tensor, stride: int, *, wanted: int) -> Tensor:
    mask = [wanted == 0, wanted == 1, False]
    both = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride] * 2, [0, 0], [1, 1], False, [0, 0], len(weight), mask
    )
    return both[wanted]
