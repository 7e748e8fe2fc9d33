"""What is measured: histograms of this service's own work, and gauges read from the database when asked for.

With `PROMETHEUS_MULTIPROC_DIR` set, as `ledgermail serve` does for its processes, the histograms of all of them are
shown by each; the gauges are of the whole installation in any case.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from gateways.http.ports import Gauges

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FAST = (0.0005, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0, 600.0)

OWN = CollectorRegistry()
APPEND = Histogram("ledgermail_append_seconds", "From a command to its durable events.", buckets=_FAST, registry=OWN)
SYNC = Histogram("ledgermail_sync_seconds", "Reading a page of /sync, without waiting.", buckets=_FAST, registry=OWN)
DELIVERY = Histogram(
    "ledgermail_delivery_seconds", "From the acceptance of a mail to its event.", buckets=_SLOW, registry=OWN
)
ACCEPTED = Counter("ledgermail_accepted", "Mails taken over by SMTP and LMTP.", registry=OWN)
TURNED_AWAY = Counter(
    "ledgermail_turned_away",
    "Mails that came whole and could not be stored, answered 4xx.",
    registry=OWN,
)
SIGN_INS_REFUSED = Counter(
    "ledgermail_sign_ins_refused",
    "Sign-ins of native clients whose password or token was wrong.",
    ["protocol"],
    registry=OWN,
)
SUBMITTED = Counter("ledgermail_submitted", "Messages that people's own programs handed over by SMTP.", registry=OWN)


class Metrics:
    """The text that Prometheus reads."""

    def __init__(self, gauges: Gauges) -> None:
        self._registry = CollectorRegistry()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]  # it has no annotations
        else:
            self._registry.register(_Histograms())
        self._registry.register(_Gauges(gauges))

    def text(self) -> bytes:
        """All of them, in the text format."""
        return generate_latest(self._registry)


class _Histograms(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from OWN.collect()


class _Gauges(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering asks no database."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._gauges.read():
            if gauge.name not in families:
                labels = [gauge.label[0]] if gauge.label else []
                families[gauge.name] = GaugeMetricFamily(f"ledgermail_{gauge.name}", gauge.meaning, labels=labels)
            families[gauge.name].add_metric([gauge.label[1]] if gauge.label else [], gauge.value)
        yield from families.values()


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe how long the block takes, where it succeeds."""
    began = perf_counter()
    yield
    histogram.observe(perf_counter() - began)
