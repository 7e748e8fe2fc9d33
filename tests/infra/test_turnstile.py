"""Who may ask a server that may not answer."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from infra.turnstile import Turnstile
from projections.search import SearchUnavailableError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turnstile(clock: Clock) -> Turnstile:
    return Turnstile(SearchUnavailableError, at_once=2, rest_s=5.0, clock=clock)


@contextmanager
def turned_away() -> Iterator[None]:
    with pytest.raises(SearchUnavailableError):
        yield


def passes(turnstile: Turnstile) -> None:
    with turnstile.passed():
        pass


def fail(turnstile: Turnstile) -> None:
    with pytest.raises(SearchUnavailableError, match="no answer"), turnstile.passed():
        raise SearchUnavailableError("no answer")


def test_so_many_pass_at_a_time_and_who_comes_then_is_turned_away(turnstile: Turnstile) -> None:
    with ExitStack() as under_way:
        under_way.enter_context(turnstile.passed())
        under_way.enter_context(turnstile.passed())
        with turned_away():
            passes(turnstile)
    passes(turnstile)


def test_after_a_failure_nobody_asks_for_a_while_and_then_one_at_a_time(turnstile: Turnstile, clock: Clock) -> None:
    fail(turnstile)
    clock.now += 4.9
    with turned_away():
        passes(turnstile)
    clock.now += 0.1
    with turnstile.passed(), turned_away():
        passes(turnstile)


def test_after_an_answer_all_may_ask_again(turnstile: Turnstile, clock: Clock) -> None:
    fail(turnstile)
    clock.now += 5
    passes(turnstile)
    with turnstile.passed():
        passes(turnstile)


def test_who_asked_after_a_failure_and_failed_makes_all_wait_again(turnstile: Turnstile, clock: Clock) -> None:
    fail(turnstile)
    clock.now += 5
    fail(turnstile)
    with turned_away():
        passes(turnstile)


def test_a_refusal_of_another_kind_is_no_failure(turnstile: Turnstile) -> None:
    with pytest.raises(KeyError), turnstile.passed():
        raise KeyError
    passes(turnstile)


def test_no_more_than_may_are_through_however_many_come_at_once() -> None:
    turnstile = Turnstile(SearchUnavailableError, at_once=3)
    most, inside, lock = 0, 0, threading.Lock()

    def come() -> None:
        nonlocal most, inside
        for _ in range(200):
            with suppress(SearchUnavailableError), turnstile.passed():
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3
