"""What every memory of tokens keeps to; an adapter's tests subclass `KnownTokensContract` and give `open_known`."""

import secrets
from collections.abc import Callable

import pytest

from domain.ids import MailboxId
from gateways.accounts import Principal
from infra.accounts.known_tokens import BELIEVED_S, KnownTokens, Moment

ANN = Principal("a1", MailboxId("b1"), "ann@example.test", "n1", "user")
BOB = Principal("a2", MailboxId("b2"), "bob@example.test", "n2", "user")


class Clock:
    """A process's own time."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


OpenKnown = Callable[[Clock], KnownTokens]
"""Opens the same memory once more, as another process with its own clock does, where processes share it."""


def asked(known: KnownTokens, key: bytes) -> Moment:
    """The moment of a question that must be asked."""
    found = known.find(key)
    assert isinstance(found, Moment)
    return found


def long_before(moment: Moment) -> Moment:
    """A question that began so long before that its answer is not to be believed any more."""
    shared_ms = None if moment.shared_ms is None else moment.shared_ms - int(BELIEVED_S * 1000)
    return Moment(moment.own_s - BELIEVED_S, shared_ms)


class KnownTokensContract:
    """The port's promises, one test each."""

    @pytest.fixture
    def key(self) -> bytes:
        return secrets.token_bytes(32)

    def test_what_was_found_is_known(self, open_known: OpenKnown, key: bytes) -> None:
        known = open_known(Clock())
        known.note(key, ANN, asked(known, key))
        assert known.find(key) == ANN

    def test_tokens_are_known_apart(self, open_known: OpenKnown, key: bytes) -> None:
        known, other = open_known(Clock()), key[::-1]
        known.note(key, ANN, asked(known, key))
        asked(known, other)
        known.note(other, BOB, asked(known, other))
        assert (known.find(key), known.find(other)) == (ANN, BOB)

    def test_nothing_is_believed_longer_than_its_time_from_before_the_question(
        self, open_known: OpenKnown, key: bytes
    ) -> None:
        known = open_known(Clock())
        known.note(key, ANN, long_before(asked(known, key)))
        asked(known, key)

    def test_what_ended_is_not_believed(self, open_known: OpenKnown, key: bytes) -> None:
        known = open_known(Clock())
        known.note(key, ANN, asked(known, key))
        known.forget([key])
        asked(known, key)

    def test_an_answer_from_before_the_end_that_comes_after_it_is_not_believed(
        self, open_known: OpenKnown, key: bytes
    ) -> None:
        known = open_known(Clock())
        began = asked(known, key)
        known.forget([key])
        known.note(key, ANN, began)
        asked(known, key)
