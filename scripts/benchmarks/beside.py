"""Mail that comes in beside what is measured: from a process of its own, at a steady rate."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager

from scripts.benchmarks.accounts import Holder
from scripts.benchmarks.service import Service
from scripts.benchmarks.smtp_client import Load, Sent
from scripts.benchmarks.sync_load import MAILS_PER_S, send_all

CONNECTIONS = 4


@contextmanager
def mail_coming_in(running: Service, recipients: Sequence[Holder], seconds: float) -> Iterator[Future[Sent]]:
    """100 mails a second for so long; the block may end earlier, its end waits."""
    load = Load(
        port=running.smtp,
        recipients=[one.address for one in recipients],
        messages=int(MAILS_PER_S * seconds),
        connections=CONNECTIONS,
        run=f"beside{time.time_ns()}",
        per_s=MAILS_PER_S,
    )
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as sender:
        sending = sender.submit(send_all, load)
        yield sending
        sending.result(timeout=seconds * 4 + 60)


def told(sent: Sent) -> str:
    """How much came in, for a note."""
    return f"{len(sent.latencies_s):,} mails at {len(sent.latencies_s) / sent.elapsed_s:.0f}/s"
