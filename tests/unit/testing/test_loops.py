"""The private loops of test clients: one an application, given back, closed when superfluous."""

from __future__ import annotations

import gc

from asyncflask.testing.loops import KEPT, bridge_of


class Owner:
    """Has a loop; an application would do."""


def used(owner):
    with bridge_of(owner) as bridge:
        return bridge, bridge.loop


def test_one_for_each_owner():
    one, two = Owner(), Owner()
    assert used(one) == used(one)
    assert used(one)[1] is not used(two)[1]


def test_another_one_while_it_is_in_use():
    owner = Owner()
    with bridge_of(owner) as outer, bridge_of(owner) as inner:
        assert outer is not inner


def test_closed_when_the_owner_is_gone():
    owner = Owner()
    loop = used(owner)[1]
    del owner
    gc.collect()
    assert not loop.is_closed()
    used(Owner())
    assert loop.is_closed()


def test_closed_when_too_many_others_were_used_since():
    owners = [Owner() for _ in range(KEPT + 1)]
    loops = [used(owner)[1] for owner in owners]
    assert [loop.is_closed() for loop in loops] == [True] + [False] * KEPT
    assert not used(owners[0])[1].is_closed()  # and the next use makes a new one
