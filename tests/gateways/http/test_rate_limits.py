"""The limit of requests: what a window lets through, and when it lets through more."""

import threading

import pytest

from gateways.http.problems import ProblemError
from gateways.http.rate_limits import RateLimits, SlidingWindow, network_of


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = 4000.0

    def __call__(self) -> float:
        return self.now


def _let_through(window: SlidingWindow, asked: int) -> int:
    return sum(window.hit("ann") is None for _ in range(asked))


def test_so_many_are_let_through_and_no_more_until_time_passes() -> None:
    clock = Clock()
    window = SlidingWindow(8, clock)
    assert _let_through(window, 20) == 8
    clock.now += 3
    assert window.hit("ann") == pytest.approx(1)
    assert window.hit("bob") is None


def test_what_the_window_before_let_through_counts_by_its_share() -> None:
    clock = Clock()
    window = SlidingWindow(8, clock)
    assert _let_through(window, 8) == 8
    clock.now += 4
    assert _let_through(window, 20) == 0
    clock.now += 1
    assert _let_through(window, 20) == 2
    clock.now += 2
    assert _let_through(window, 20) == 4


def test_after_two_windows_nothing_is_remembered() -> None:
    clock = Clock()
    window = SlidingWindow(8, clock)
    assert _let_through(window, 8) == 8
    clock.now += 8
    assert _let_through(window, 20) == 8


def test_many_threads_together_get_no_more_than_one() -> None:
    window = SlidingWindow(1000, Clock())
    through: list[int] = []
    threads = [threading.Thread(target=lambda: through.append(_let_through(window, 500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(through) == 1000


def test_an_address_is_told_when_to_come_again() -> None:
    limits = RateLimits(per_account=1, per_address=1)
    with pytest.raises(ProblemError) as refused:
        _ask_too_often(limits)
    assert refused.value.code == "rate_limited"
    assert dict(refused.value.headers())[b"retry-after"] in (b"1", b"2", b"3", b"4")
    limits.count_address("192.0.2.2")


def _ask_too_often(limits: RateLimits) -> None:
    for _ in range(9):
        limits.count_address("192.0.2.1")


def test_an_ipv6_address_stands_for_its_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::2%eth0") == "2001:db8::/64"
    assert network_of("192.0.2.1") == "192.0.2.1"
