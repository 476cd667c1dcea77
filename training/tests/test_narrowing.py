"""Hidden channels are dropped whole, the least missed first, and a narrow student takes a wide one's weights so."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from torch import nn

from xmag_train.export.package import export_student
from xmag_train.networks.backbones.efficientnet_lite import InvertedResidual, hidden_channels
from xmag_train.networks.backbones.narrowing import narrowed
from xmag_train.networks.students.lite0 import Student
from xmag_train.networks.students.registry import LEAN, build_student

BLOCK = "blocks.1."


def block_of(hidden: int) -> InvertedResidual:
    torch.manual_seed(3)
    block = InvertedResidual(16, 24, 3, 2, hidden).eval()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.0, 2.0)
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return block


def state_of(block: InvertedResidual) -> dict[str, torch.Tensor]:
    return {f"{BLOCK}{name}": value for name, value in block.state_dict().items()}


def loaded(state: dict[str, torch.Tensor], hidden: int) -> InvertedResidual:
    block = block_of(hidden)
    block.load_state_dict({name.removeprefix(BLOCK): value for name, value in state.items()}, strict=True)
    return block.eval()


@pytest.mark.parametrize("reason", ["not taken up", "always nought", "always six"])
def test_channels_that_say_nothing_go_first(reason: str) -> None:
    """Where half of them say nothing the other half, in its order, gives the same, but for a constant."""
    wide = block_of(96)
    silent = torch.randperm(96, generator=torch.Generator().manual_seed(1))[:48]
    with torch.no_grad():
        if reason == "not taken up":
            wide.project[0].weight[:, silent] = 0.0
        else:
            wide.depthwise[-1].weight[silent] = 1e-6
            wide.depthwise[-1].bias[silent] = -3.0 if reason == "always nought" else 9.0
    narrow = loaded(narrowed(state_of(wide), {BLOCK: 48}), 48)
    x = torch.randn((2, 16, 32, 32), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        apart = wide(x) - narrow(x)
    assert narrow(x).std() > 0.1
    torch.testing.assert_close(apart, apart.mean(dim=(0, 2, 3), keepdim=True).expand_as(apart), atol=1e-4, rtol=0)


def test_what_is_no_wider_stays_and_what_is_too_narrow_is_refused_when_loaded() -> None:
    state = state_of(block_of(64))
    for hidden in ({BLOCK: 64}, {"blocks.9.": 16}, {}):
        assert narrowed(state, hidden) == state
    with pytest.raises(RuntimeError, match="size mismatch"):
        loaded(narrowed(state, {BLOCK: 96}), 96)


@pytest.mark.parametrize(("share", "hidden"), [(1.0, 96), (0.75, 80), (0.5, 48)])
def test_hidden_channels_come_in_sixteens(share: float, hidden: int) -> None:
    assert hidden_channels(16, 6, share) == hidden
    assert hidden_channels(32, 1, share) == 32


def test_a_lean_student_starts_from_a_whole_ones_weights(tmp_path) -> None:
    torch.manual_seed(0)
    torch.save(build_student("efficientnet_lite0_192", "imagenet").state_dict(), tmp_path / "whole.pt")
    lean = build_student("efficientnet_lite0_192_lean", tmp_path / "whole.pt")
    assert [block.hidden for block in lean.blocks] == [32, 48, 80, 80, 176, 368, 368, 512, 512, 864, 864, 864, 864]
    assert export_student(lean, tmp_path / "student.onnx") < 1e-3
    again = Student(192, (4, 7, 10), LEAN)
    again.load_state_dict(again.fitting(lean.state_dict()), strict=True)
    assert all(torch.equal(a, b) for a, b in zip(lean.state_dict().values(), again.state_dict().values(), strict=True))
