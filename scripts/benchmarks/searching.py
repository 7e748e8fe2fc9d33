"""`/search` over HTTP in a large mailbox, each question asked once: no cache knows it; alone and under ingest."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import count
from urllib.parse import quote

import msgspec
import uvloop

from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.beside import mail_coming_in, told
from scripts.benchmarks.http_client import HttpClient
from scripts.benchmarks.mails import COMMON, RARE, words
from scripts.benchmarks.report import Figure, absolute, ms, p50, percentile
from scripts.benchmarks.service import Service, service
from scripts.benchmarks.stage import Stage, say
from scripts.benchmarks.sync_load import RECIPIENTS
from scripts.benchmarks.two_mailboxes import two_mailboxes

ROW = "search"
ASKS_PER_S = 20
"""Below the limit of 50 a second and account."""
MOST_P95_MS = 500.0


class _Found(msgspec.Struct):
    total: int


class _Times(msgspec.Struct):
    """Of one kind of question."""

    taken_s: list[float] = []
    totals: list[int] = []


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `search`."""
    two = two_mailboxes(stage)
    recipients = open_accounts(stage, [f"searched{number}" for number in range(RECIPIENTS)])
    turns = count()
    with service(stage) as running:
        say(f"{ROW}: the followers read what the lane wrote")
        running.wait_until("followers", running.followers_are_up, within_s=300)
        say(f"{ROW}: {stage.sizes.searches} questions, no ingest")
        _ask_all(running, two.large, 10, turns)  # a machine that has just started answers its first ones late
        yield from _figures(stage, "no ingest", _ask_all(running, two.large, stage.sizes.searches, turns))
        say(f"{ROW}: {stage.sizes.searches} questions under ingest")
        with mail_coming_in(running, recipients, stage.sizes.searches / ASKS_PER_S + 2) as sending:
            time.sleep(1)
            found = _ask_all(running, two.large, stage.sizes.searches, turns)
        yield from _figures(stage, "under ingest", found, most=MOST_P95_MS, note=told(sending.result()))


def _ask_all(running: Service, holder: Holder, questions: int, turns: "count[int]") -> dict[str, _Times]:
    return uvloop.run(_asked(running.http, holder, questions, turns))


async def _asked(port: int, holder: Holder, questions: int, turns: "count[int]") -> dict[str, _Times]:
    found: dict[str, _Times] = {}
    async with HttpClient(port, holder.token) as client:
        began = time.perf_counter()
        for place in range(questions):
            await asyncio.sleep(max(0.0, began + place / ASKS_PER_S - time.perf_counter()))
            kind, text = _question(next(turns))
            at = time.perf_counter()
            answer = await client.get(f"/v1/search?q={quote(text)}")
            times = found.setdefault(kind, _Times())
            times.taken_s.append(time.perf_counter() - at)
            times.totals.append(msgspec.json.decode(answer, type=_Found).total)
    return found


def _question(turn: int) -> tuple[str, str]:
    """A kind, and what is typed: the words change from one to the next, and so do the answers."""
    one, other, third = words(10_000 + turn, 3).split()
    kinds = (
        ("a rare word", f"{RARE} ({one} OR {other} OR {third})"),
        ("one correspondent's", f"from:writer{turn % 97}@elsewhere.test {one} {other}"),
        ("a word of the subject", f"subject:{one} {other} {third}"),
        ("a word in every fourth mail", f"{COMMON} {one} {other}"),
        ("words in most mails", f"{one} {other} {third}"),
    )
    return kinds[turn % len(kinds)]


def _figures(
    stage: Stage, beside: str, found: dict[str, _Times], *, most: float | None = None, note: str = ""
) -> Iterator[Figure]:
    at = f"with {stage.sizes.large:,}, {beside}"
    taken = [one for times in found.values() for one in times.taken_s]
    kinds = "; ".join(f"{kind} {_told(times.taken_s, times.totals)}" for kind, times in found.items())
    yield absolute(ROW, f"{at}, p50", ms(p50(taken)), "ms", note=kinds)
    yield absolute(ROW, f"{at}, p95", ms(percentile(taken, 0.95)), "ms", most=most, note=note)


def _told(taken_s: Sequence[float], totals: Sequence[int]) -> str:
    return f"{ms(p50(taken_s)):.0f} ms ({p50(totals):,.0f} hits)"
