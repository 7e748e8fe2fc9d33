"""What every carrier of due mail keeps to; an adapter's tests subclass `OutgoingContract` and give `takers`.

`takers()` makes another process's end of one carrier; `go` has it leave without a word on what it has in hand.
"""

from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from domain.ids import MailboxId, SubmissionId
from gateways.outgoing import DueMail, OutgoingMail

_numbers = count(1)


class Takers(Protocol):
    """Makes ends of one carrier."""

    def __call__(self) -> OutgoingMail: ...

    def go(self, taker: OutgoingMail) -> None: ...


def due(domain: str = "one.test") -> DueMail:
    return DueMail(
        domain=domain,
        mailbox_id=MailboxId("m1"),
        submission_id=SubmissionId(f"s{next(_numbers)}"),
        recipients=(0, 2),
        attempt=1,
    )


def take_until(taker: OutgoingMail, enough: Callable[[list[DueMail]], Any], limit: int = 100) -> list[DueMail]:
    """What comes until it is enough, however late it is handed over."""
    found: list[DueMail] = []
    while not enough(found):
        found += taker.take(limit=limit)
    return found


class OutgoingContract:
    """The port's promises, one test each."""

    def test_what_is_put_is_taken_whole_and_once(self, takers: Takers) -> None:
        taker, given = takers(), [due(f"d{n}.test") for n in range(20)]
        taker.put_all(given[:12])
        taker.put_all(given[12:])
        taker.put_all([])
        found = take_until(taker, lambda found: len(found) >= 20)
        assert sorted(found, key=lambda one: one.submission_id) == sorted(given, key=lambda one: one.submission_id)
        assert taker.take(limit=100) == []

    def test_those_of_a_domain_come_in_their_order(self, takers: Takers) -> None:
        taker, given = takers(), [due(f"d{n % 3}.test") for n in range(30)]
        for one in given:
            taker.put_all([one])
        found = take_until(taker, lambda found: len(found) >= 30, limit=7)
        for domain in ("d0.test", "d1.test", "d2.test"):
            assert [one for one in found if one.domain == domain] == [one for one in given if one.domain == domain]

    def test_no_more_are_taken_than_asked_for(self, takers: Takers) -> None:
        taker = takers()
        taker.put_all([due() for _ in range(5)])
        first = take_until(taker, len, limit=2)
        assert len(first) <= 2
        rest = take_until(taker, lambda found: len(found) + len(first) >= 5, limit=10)
        assert len(first) + len(rest) == 5

    def test_what_was_not_done_is_given_to_another_when_its_taker_has_gone(self, takers: Takers) -> None:
        first, given = takers(), [due() for _ in range(4)]
        first.put_all(given)
        found = take_until(first, lambda found: len(found) >= 4)
        first.done([found[0]])
        first.done([found[0]])
        takers.go(first)
        second = takers()
        assert take_until(second, lambda again: len(again) >= 3) == found[1:]

    def test_what_is_done_never_comes_back(self, takers: Takers) -> None:
        first, given = takers(), [due(f"d{n}.test") for n in range(8)]
        first.put_all(given)
        first.done(take_until(first, lambda found: len(found) >= 8))
        takers.go(first)
        second, later = takers(), due()
        second.put_all([later])
        assert take_until(second, len) == [later]

    def test_what_is_put_twice_is_in_one_hand_at_a_time(self, takers: Takers) -> None:
        taker, given = takers(), due()
        taker.put_all([given])
        taker.put_all([given])
        found = take_until(taker, len)
        assert found + list(taker.take(limit=10)) == [given]
        taker.done([given])
        assert set(taker.take(limit=10)) <= {given}
