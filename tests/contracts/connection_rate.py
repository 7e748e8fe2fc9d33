"""What all who bound new connections keep to; a subclass of `ConnectionRateContract` gives `open_rate`: 10 a second."""

from collections.abc import Callable

from gateways.smtp.admission import ConnectionRate

OpenRate = Callable[[], ConnectionRate]
"""Opens the same count once more, as another process does, where processes share it."""
PER_S = 10


def admitted(rate: ConnectionRate, source: str, *, now_s: float, times: int = PER_S + 5) -> int:
    """How many of so many are."""
    return [rate.admits(source, now_s=now_s) for _ in range(times)].count(True)


class ConnectionRateContract:
    """The port's promises, one test each."""

    def test_so_many_are_admitted_and_no_more(self, open_rate: OpenRate) -> None:
        assert admitted(open_rate(), "192.0.2.1", now_s=1000.0) == PER_S

    def test_sources_are_counted_apart(self, open_rate: OpenRate) -> None:
        rate = open_rate()
        assert admitted(rate, "192.0.2.1", now_s=1000.0) == PER_S
        assert admitted(rate, "192.0.2.2", now_s=1000.0) == PER_S

    def test_a_second_later_as_many_are_admitted_again(self, open_rate: OpenRate) -> None:
        rate = open_rate()
        for second in range(1000, 1005):
            assert admitted(rate, "192.0.2.1", now_s=second) == PER_S
