"""Each loss by hand-computed values."""

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from xmag_train.distill.losses import global_cosine, local_cosine, local_kl, reading_consistency, relational


def test_global_is_against_the_mean_of_the_sixteen() -> None:
    targets = torch.zeros(1, 16, 2)
    targets[0, :8, 0], targets[0, 8:, 1] = 2.0, 2.0  # mean (1, 1)
    assert global_cosine(torch.tensor([[3.0, 3.0]]), targets).item() == pytest.approx(0.0, abs=1e-6)
    assert global_cosine(torch.tensor([[1.0, 0.0]]), targets).item() == pytest.approx(1 - math.sqrt(0.5))
    assert global_cosine(torch.tensor([[-1.0, -1.0]]), targets).item() == pytest.approx(2.0)


def test_local_cosine_is_the_mean_over_tokens() -> None:
    targets = torch.tensor([1.0, 0.0]).repeat(1, 16, 1)
    predicted = targets.clone()
    predicted[0, :4] = torch.tensor([0.0, 5.0])  # a quarter at right angles
    assert local_cosine(predicted, targets).item() == pytest.approx(0.25)


def test_local_kl_at_equal_temperatures_is_nought_for_the_same_direction() -> None:
    targets = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    assert local_kl(3.0 * targets, targets, 0.1, 0.1).item() == pytest.approx(0.0, abs=1e-6)


def test_local_kl_of_two_channels_by_hand() -> None:
    targets = torch.tensor([1.0, 0.0]).repeat(1, 16, 1)
    predicted = torch.tensor([0.0, 2.0]).repeat(1, 16, 1)
    p, q = 1 / (1 + math.exp(-1 / 0.07)), 1 / (1 + math.exp(1 / 0.1))
    wanted = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert local_kl(predicted, targets).item() == pytest.approx(wanted, rel=1e-5)


def test_relational_of_three_regions_by_hand() -> None:
    """Centred, the student's regions are 1, -1, 0 on a line; the teacher's the same with the last two swapped."""
    student = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]) + 7.0
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])[:, None].repeat(1, 16, 1)

    def neighbours(a: float, b: float) -> tuple[float, float]:
        return math.exp(a) / (math.exp(a) + math.exp(b)), math.exp(b) / (math.exp(a) + math.exp(b))

    # cosines: of 0 with (1, 2) are (-1, 0) and (0, -1); of 1 with (0, 2): (-1, 0) and (0, 0); of 2: (0, 0) and (-1, 0).
    pairs = [((-1, 0), (0, -1)), ((-1, 0), (0, 0)), ((0, 0), (-1, 0))]
    wanted = 0.0
    for mine, theirs in pairs:
        q, p = neighbours(*mine), neighbours(*theirs)
        wanted += sum(b * math.log(b / a) for a, b in zip(q, p, strict=True)) / 3
    assert relational(student, targets, student_temperature=1.0, teacher_temperature=1.0).item() == pytest.approx(
        wanted, rel=1e-5
    )


def test_relational_does_not_mind_turning_and_scaling() -> None:
    generator = torch.Generator().manual_seed(1)
    teacher = torch.randn(6, 4, generator=generator)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator))
    assert relational(5.0 * teacher @ turn, teacher[:, None].repeat(1, 16, 1)).item() == pytest.approx(0.0, abs=1e-5)


def test_relational_by_plain_cosines_of_the_student() -> None:
    """The student's plain cosines are 0 (of 0 and 1) and √½ (of 2 with either); the teacher's, centred, -1 and 0."""
    student = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])[:, None].repeat(1, 16, 1)
    mine = 1 / (1 + math.exp(-math.sqrt(0.5) / 0.5))  # what 0 and 1 give to 2; 2 gives a half to each, on both sides
    theirs = 1 / (1 + math.exp(-1.0))
    row = theirs * math.log(theirs / mine) + (1 - theirs) * math.log((1 - theirs) / (1 - mine))
    value = relational(student, targets, student_temperature=0.5, teacher_temperature=1.0, centre_student=False)
    assert value.item() == pytest.approx(2 * row / 3, rel=1e-5)


def test_relational_leaves_out_a_regions_other_picture() -> None:
    """Two regions of two pictures: each row has the other region's two, which are one and the same to the teacher."""
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    targets = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])[:, None].repeat(1, 16, 1)
    share = math.e / (1 + math.e)  # the second region's rows: cosines 1 and 0; the first region's see two alike
    row = 0.5 * math.log(0.5 / share) + 0.5 * math.log(0.5 / (1 - share))
    value = relational(student, targets, student_temperature=1.0, centre_student=False, per_region=2)
    assert value.item() == pytest.approx(2 * row / 4, rel=1e-5)


def test_consistency_counts_from_the_mean_of_the_batch() -> None:
    """Around (7, 7): the first pair at right angles, the second alike; a common offset changes nothing."""
    around = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.5, -0.5], [-0.5, -0.5]])
    assert reading_consistency(around + 7.0).item() == pytest.approx(0.5)
    assert reading_consistency(around).item() == pytest.approx(0.5)
    assert reading_consistency(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item() == pytest.approx(2.0)
