"""How far the search index is behind while mail comes in, and how soon a mail that was appended is found over HTTP."""

import asyncio
import time
from collections.abc import Iterator

import msgspec
import uvloop

from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.beside import mail_coming_in, told
from scripts.benchmarks.http_client import HttpClient
from scripts.benchmarks.report import Figure, absolute, p50, percentile
from scripts.benchmarks.service import Service, service
from scripts.benchmarks.smtp_client import Load, send
from scripts.benchmarks.stage import Stage, say
from scripts.benchmarks.sync_load import MAILS_PER_S, RECIPIENTS

ROW = "findable"
LOOK_S = 0.05
PROBE_EVERY_S = 0.73
"""No part of any second that somebody else counts by."""
FOUND_S = 30.0
MOST_LAG_MS, MOST_FINDABLE_MS = 5_000.0, 1_000.0
_OLDEST = (
    "SELECT coalesce(max(%s - e.recorded_at), 0) FROM mailboxes b LEFT JOIN followers f"
    " ON f.mailbox_id = b.mailbox_id AND f.view = 'search' JOIN stored_events e"
    " ON e.originator_id = b.mailbox_id AND e.originator_version = coalesce(f.applied_seq, 0) + 1"
    " WHERE coalesce(f.applied_seq, 0) < b.head"
)
"""For how long the longest waiting event has been appended and is not in the index."""
_APPENDED = "SELECT recorded_at FROM stored_events WHERE originator_id = %s ORDER BY originator_version DESC LIMIT 1"


class _Found(msgspec.Struct):
    total: int


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `findable`."""
    recipients = open_accounts(stage, [f"indexed{number}" for number in range(RECIPIENTS)])
    (prober,) = open_accounts(stage, ["prober"])
    seconds = stage.sizes.lag_s
    with service(stage) as running:
        running.wait_until("followers", running.followers_are_up, within_s=300)
        say(f"{ROW}: {seconds:.0f} s of nothing but what is looked for")
        alone_ms, _ = uvloop.run(_looked(stage, running, prober, seconds / 2))
        say(f"{ROW}: {MAILS_PER_S} mails/s for {seconds:.0f} s")
        with mail_coming_in(running, recipients, seconds + 2) as sending:
            time.sleep(2)
            found_ms, lags_ms = uvloop.run(_looked(stage, running, prober, seconds))
        note = told(sending.result())
    yield absolute(ROW, "append to findable, nothing else coming in, p50", p50(alone_ms), "ms", note=_all(alone_ms))
    at = f"at {MAILS_PER_S} mails/s"
    yield absolute(
        ROW, f"append to findable, {at}, p50", p50(found_ms), "ms", most=MOST_FINDABLE_MS, note=_all(found_ms)
    )
    yield absolute(ROW, f"index lag, {at}, p50", p50(lags_ms), "ms")
    yield absolute(ROW, f"index lag, {at}, the longest", max(lags_ms), "ms", most=MOST_LAG_MS, note=note)


def _all(values_ms: list[float]) -> str:
    return f"{len(values_ms)} mails; p95 {percentile(values_ms, 0.95):.0f} ms, the longest {max(values_ms):.0f} ms"


async def _looked(stage: Stage, running: Service, prober: Holder, seconds: float) -> tuple[list[float], list[float]]:
    """How long each probe took to be found; and how far the index was behind, again and again."""
    lags_ms: list[float] = []
    watching = asyncio.create_task(_watch(stage, lags_ms))
    found_ms = []
    until = time.monotonic() + seconds
    try:
        async with HttpClient(running.http, prober.token) as client:
            while time.monotonic() < until:
                began = time.monotonic()
                found_ms.append(await _probe(stage, running, prober, client))
                await asyncio.sleep(max(0.0, began + PROBE_EVERY_S - time.monotonic()))
    finally:
        watching.cancel()
    return found_ms, lags_ms


async def _watch(stage: Stage, lags_ms: list[float]) -> None:
    while True:
        rows = await asyncio.to_thread(stage.installation.rows, _OLDEST, (_now_ms(),))
        lags_ms.append(float(rows[0][0]))
        await asyncio.sleep(LOOK_S)


async def _probe(stage: Stage, running: Service, prober: Holder, client: HttpClient) -> float:
    """Milliseconds from the append of a mail with a word of its own until a search for that word finds it."""
    word = f"probe{time.time_ns()}"
    await send(Load(port=running.smtp, recipients=[prober.address], messages=1, connections=1, run=word))
    until = time.monotonic() + FOUND_S
    while True:
        answer = await client.get(f"/v1/search?q={word}")
        found_at_ms = _now_ms()
        if msgspec.json.decode(answer, type=_Found).total:
            break
        if time.monotonic() > until:
            raise TimeoutError(f"{word} was not found within {FOUND_S:.0f} s")
        await asyncio.sleep(LOOK_S)
    rows = await asyncio.to_thread(stage.installation.rows, _APPENDED, (prober.mailbox_id,))
    return max(0.0, found_at_ms - float(rows[0][0]))


def _now_ms() -> float:
    return time.time() * 1000
