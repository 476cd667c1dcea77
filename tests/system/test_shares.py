"""Shares: nobody is kept from a place by what one other holds."""

import random

import pytest

from app.records.record import Holder
from app.system.shares import Shares


def fill(shares, holder) -> int:
    """Take as many places as the holder gets."""
    count = 0
    while shares.take(holder):
        count += 1
    return count


def test_a_tenant_gets_half_of_what_is_free_and_a_key_half_of_that():
    shares = Shares(64)
    assert [fill(shares, Holder("a", key)) for key in "123456"] == [16, 8, 4, 2, 1, 1]  # 32 in all
    assert [fill(shares, Holder(tenant, "1")) for tenant in "bcd"] == [32 / 4, 24 / 4, 5]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 256])
def test_the_first_key_gets_a_place_and_leaves_one_where_there_are_two(size):
    shares = Shares(size)
    held = fill(shares, Holder("a", "1"))
    assert 1 <= held <= max(1, size // 2)
    assert shares.may_take(Holder("b", "1")) == (size > 1)


def test_what_is_given_back_can_be_taken_again():
    shares = Shares(4)
    a, b = Holder("a", "1"), Holder("b", "1")
    assert shares.take(a) and not shares.take(a)
    shares.give_back(a)
    assert shares.held_by(a) == (0, 0)
    assert fill(shares, b) == 1
    assert shares.take(a)


def test_at_any_time_a_newcomer_finds_a_place_while_few_hold_any():
    for seed in range(200):
        chance, size = random.Random(seed), 64
        shares, held = Shares(size), []
        tenants = [f"t{number}" for number in range(4)]
        for _ in range(500):
            holder = Holder(chance.choice(tenants), chance.choice("1234567"))
            if held and chance.random() < 0.3:
                shares.give_back(held.pop(chance.randrange(len(held))))
            elif shares.take(holder):
                held.append(holder)
            assert len(held) <= size
            assert shares.may_take(Holder("newcomer", "1"))
