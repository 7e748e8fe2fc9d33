"""How long the service takes from being called to serving, on a data folder that it knows."""

import time
from collections.abc import Iterator

from scripts.benchmarks.report import Figure, absolute, p50
from scripts.benchmarks.service import service
from scripts.benchmarks.stage import Stage, say

ROW = "start"
MOST_S = 5.0


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `start`."""
    taken_s = []
    for turn in range(stage.sizes.rounds):
        say(f"{ROW}: {turn + 1} of {stage.sizes.rounds}")
        began = time.perf_counter()
        with service(stage):
            taken_s.append(time.perf_counter() - began)
    note = f"of {len(taken_s)}, the longest {max(taken_s):.1f} s; Postgres runs already, all roles are ready"
    yield absolute(ROW, "from the call to serving, p50", p50(taken_s), "s", most=MOST_S, note=note)
