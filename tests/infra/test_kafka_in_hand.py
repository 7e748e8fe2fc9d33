"""Up to where offsets may be committed, whatever comes, settles and goes in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from infra.kafka.in_hand import InHand, Taken


def taken(offset: int, partition: int = 0) -> Taken:
    return Taken(partition, offset, None, None)


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_nothing_is_committed_past_what_is_not_settled(order: list[int], gaps: set[int]) -> None:
    hand = InHand()
    offsets = [offset for offset in range(8) if offset not in gaps]  # the brokers' own records leave gaps
    for offset in offsets:
        assert hand.take(taken(offset))
    settled: set[int] = set()
    for offset in [offset for offset in order if offset in offsets]:
        hand.settle(taken(offset))
        settled.add(offset)
        for committed in hand.committable().values():
            assert all(one in settled for one in offsets if one < committed)
        hand.committed(hand.committable())
    assert hand.committable() == {}
    assert hand.done_below() == ({0: offsets[-1] + 1} if offsets else {})


def test_what_comes_again_is_not_taken_again_and_commits_nothing() -> None:
    hand = InHand()
    assert [hand.take(taken(offset)) for offset in (5, 6, 5, 6, 4)] == [True, True, False, False, False]
    hand.settle(taken(6))
    assert hand.committable() == {0: 5}


def test_a_partition_that_went_and_came_back_begins_anew() -> None:
    hand = InHand()
    hand.take(taken(5))
    hand.take(taken(1, partition=1))
    hand.forget(0)
    hand.settle(taken(5))
    assert hand.committable() == {1: 1}
    assert hand.take(taken(3))
    assert hand.committable() == {0: 3, 1: 1}
