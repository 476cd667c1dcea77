"""Every head keeps the contract; what does not fit says so; a head is refused with another encoder."""

from pathlib import Path

import pytest
import torch

from xmag_train.mil.checkpoint import HeadFacts, load_head, save_head
from xmag_train.mil.heads import KINDS, build_head

pytest.importorskip("torchmil")
NAMES = sorted(KINDS)


def head_and_bag(name: str, tiles: int = 11):
    head = build_head(name, 12, 2, 16, seed=1)
    bag = torch.randn((tiles, 12), generator=torch.Generator().manual_seed(0)) * 3 + 1
    head.fit(bag)
    return head.eval(), bag


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tiles", [1, 2, 11])
def test_shapes_and_attention_that_sums_to_one(name: str, tiles: int) -> None:
    head, bag = head_and_bag(name, tiles)
    found = head(bag)
    assert found.logits.shape == (2,)
    assert found.attention.shape == (1, tiles)
    assert (found.attention >= 0).all()
    torch.testing.assert_close(found.attention.sum(dim=1), torch.ones(1))
    if KINDS[name].exportable:
        assert found.tile_scores.shape == (tiles, 2)


@pytest.mark.parametrize("name", NAMES)
def test_order_of_tiles_matters_only_where_it_is_said(name: str) -> None:
    head, bag = head_and_bag(name)
    order = torch.randperm(len(bag), generator=torch.Generator().manual_seed(4))
    plain, moved = head(bag), head(bag[order])
    free = torch.allclose(plain.logits, moved.logits, atol=1e-5)
    assert free == (name != "transmil")
    if free:
        torch.testing.assert_close(plain.attention[:, order], moved.attention, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(plain.tile_scores[order], moved.tile_scores, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["gated_attention", "mean", "clam"])
def test_logits_are_the_attended_mean_of_tile_scores(name: str) -> None:
    head, bag = head_and_bag(name)
    found = head(bag)
    torch.testing.assert_close(found.logits, (found.attention @ found.tile_scores)[0], atol=1e-5, rtol=1e-4)


def test_dsmil_is_half_its_best_tile() -> None:
    head, bag = head_and_bag("dsmil")
    found = head(bag)
    attended = head.head.model.bag_classifier(
        found.attention @ head.head.model.feat_ext((bag - head.mean) / head.scale)
    )
    torch.testing.assert_close(found.logits[1], 0.5 * (attended.squeeze() + found.tile_scores[:, 1].max()))


@pytest.mark.parametrize("name", ["clam", "dsmil"])
def test_extra_losses_reach_what_only_they_teach(name: str) -> None:
    head, bag = head_and_bag(name)
    head.train().extra_loss(bag, 1).backward()
    only = head.head.model.inst_classifiers if name == "clam" else head.head.model.inst_classifier
    assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in only.parameters())


@pytest.mark.parametrize(("tiles", "of_each"), [(1, 0), (2, 1), (9, 4), (40, 8)])
def test_clams_groups_of_tiles_have_none_in_common(tiles: int, of_each: int) -> None:
    """Each classified tile is a row of the instance classifier's input: the first half called 1, the second 0."""
    head, bag = head_and_bag("clam", tiles)
    seen: list[torch.Tensor] = []
    own = head.head.model.inst_classifiers[1]
    own.register_forward_hook(lambda _module, rows, _out: seen.append(rows[0]))
    head.train().extra_loss(bag, 1)
    assert sum(len(rows) for rows in seen) == 2 * of_each
    if seen:
        assert len(seen[0].unique(dim=0)) == 2 * of_each


@pytest.mark.parametrize("name", ["clam", "dsmil", "transmil"])
def test_two_class_heads_refuse_three(name: str) -> None:
    with pytest.raises(ValueError, match="two classes"):
        build_head(name, 12, 3, 16, seed=0)


def facts(encoder_sha256: str) -> HeadFacts:
    return HeadFacts(
        head="gated_attention",
        task="grade",
        labels=["a", "b"],
        positive_class=None,
        embedding_dim=12,
        hidden=16,
        encoder="student:x",
        encoder_sha256=encoder_sha256,
        instance="tile",
        bag_size_min=1,
        bag_size_max=9,
        epochs=1,
        config={},
    )


def test_a_head_of_another_student_is_refused(tmp_path: Path) -> None:
    head, bag = head_and_bag("gated_attention")
    save_head(tmp_path / "head.pt", head, facts("a" * 64))
    again, known = load_head(tmp_path / "head.pt", "a" * 64)
    torch.testing.assert_close(again(bag).logits, head(bag).logits)
    assert known.task == "grade"
    with pytest.raises(ValueError, match="another encoder"):
        load_head(tmp_path / "head.pt", "b" * 64)
