"""The gated-attention head: what must hold whatever the weights."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from xmag_train.mil.gated_attention import untrained_head


@pytest.mark.parametrize("tiles", [1, 7, 500])
def test_attention_sums_to_one_and_the_logits_are_its_mean_of_tile_scores(tiles: int) -> None:
    head = untrained_head(32, 3, seed=5)
    bag = torch.rand(tiles, 32, generator=torch.Generator().manual_seed(1))
    output = head(bag)
    assert output.attention.shape == (1, tiles)
    torch.testing.assert_close(output.attention.sum(dim=1), torch.ones(1))
    torch.testing.assert_close(output.logits, (output.attention @ output.tile_scores).squeeze(0))


def test_the_order_of_tiles_does_not_matter() -> None:
    head = untrained_head(32, 2, seed=5)
    bag = torch.rand(40, 32, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    straight, shuffled = head(bag), head(bag[order])
    torch.testing.assert_close(shuffled.logits, straight.logits)
    torch.testing.assert_close(shuffled.attention, straight.attention[:, order])


def test_the_gate_is_tanh_times_sigmoid() -> None:
    head = untrained_head(4, 2, seed=5)
    bag = torch.rand(6, 4, generator=torch.Generator().manual_seed(1))
    hidden = (bag @ head.project.weight.T).clamp(min=0)
    scores = (torch.tanh(hidden @ head.value.weight.T) / (1 + torch.exp(-hidden @ head.gate.weight.T))) @ (
        head.weigh.weight.T
    )
    torch.testing.assert_close(head(bag).attention[0], torch.softmax(scores[:, 0], dim=0))


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (untrained_head(8, 2, seed).project.weight for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
