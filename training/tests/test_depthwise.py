"""The depthwise convolution's own backward pass against torch's."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from xmag_train.networks.backbones.depthwise import DepthwiseConv2d, strided_input_gradient


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [15, 16, 17, 18])
def test_the_gradient_at_stride_2_is_exact(kernel: int, side: int) -> None:
    torch.manual_seed(kernel * 100 + side)
    x = torch.randn(2, 6, side, side + 1, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 1, kernel, kernel, dtype=torch.float64)
    y = torch.nn.functional.conv2d(x, weight, stride=2, groups=6)
    grad = torch.randn_like(y)
    (wanted,) = torch.autograd.grad(y, x, grad)
    torch.testing.assert_close(strided_input_gradient(grad, weight, x.shape[2:]), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_under_autocast_output_and_gradients_are_those_of_float32_to_bfloat16_s_precision(kernel, stride) -> None:
    torch.manual_seed(0)
    conv = DepthwiseConv2d(8, kernel, stride).train()
    x = torch.randn(2, 8, 21, 21, requires_grad=True)
    plain = torch.nn.functional.conv2d(x, conv.weight, stride=stride, groups=8)
    grad = torch.randn_like(plain)
    wanted = torch.autograd.grad(plain, [x, conv.weight], grad)
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(x)
    found = torch.autograd.grad(y, [x, conv.weight], grad.bfloat16())
    assert y.dtype == torch.bfloat16
    for mine, theirs in zip((y, *found), (plain, *wanted), strict=True):
        assert (mine.float() - theirs).norm() < 0.01 * theirs.norm()


def test_its_names_and_its_answers_are_the_plain_convolution_s() -> None:
    conv = DepthwiseConv2d(8, 5, 2)
    plain = torch.nn.Conv2d(8, 8, 5, 2, groups=8, bias=False)
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 8, 21, 21)
    assert torch.equal(conv(x), plain(x))
