"""Mail coming in by SMTP to the server profile, and to an embedded installation that takes turns with it."""

from collections.abc import Iterator

from scripts.benchmarks.accounts import open_accounts
from scripts.benchmarks.ingest import CONNECTIONS, RECIPIENTS, ROW, Run, figures, run
from scripts.benchmarks.report import Figure, compared, p50
from scripts.benchmarks.service import service
from scripts.benchmarks.stage import Stage, say

LEAST = 0.7
SERVERS, EMBEDDED = "with the servers", "embedded"


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `ingest` in the server profile."""
    stages = {SERVERS: stage, EMBEDDED: stage.embedded}
    names = [f"ingested{number}" for number in range(RECIPIENTS)]
    recipients = {told: open_accounts(place, names) for told, place in stages.items()}
    runs: dict[tuple[str, int], list[Run]] = {}
    rounds = 1 if stage.sizes.rounds < 5 else 2
    for turn in range(rounds):
        for told, place in stages.items() if turn % 2 else reversed(stages.items()):
            with service(place) as running:
                for connections in CONNECTIONS:
                    say(f"{ROW}: {connections} connections, {told}, round {turn + 1} of {rounds}")
                    found = run(place, running, recipients[told], connections, followed=True)
                    runs.setdefault((told, connections), []).append(found)
                yield running.memory(ROW, f"ingest {told}, round {turn + 1}")
    for (told, connections), some in runs.items():
        yield from figures(told, connections, some, [], judged=False)
    for connections in CONNECTIONS:
        yield from _beside(connections, runs[SERVERS, connections], runs[EMBEDDED, connections])


def _beside(connections: int, ours: list[Run], embedded: list[Run]) -> Iterator[Figure]:
    at = f"{connections} connection{'s' if connections > 1 else ''}"
    least = LEAST if connections == CONNECTIONS[-1] else None
    for what, unit, of in (
        ("accepted", "/s", lambda one: one.per_s),
        ("delivered", "/s", lambda one: one.delivered_per_s),
    ):
        values = [p50([of(one) for one in some]) for some in (ours, embedded)]
        yield compared(ROW, f"{at}: {what}", values[0], unit, peer=EMBEDDED, peer_value=values[1], least=least)
    cpu = [p50([one.cpu_per_1000_s for one in some]) for some in (ours, embedded)]
    yield compared(ROW, f"{at}: CPU for 1,000", cpu[0], "s", peer=EMBEDDED, peer_value=cpu[1])
