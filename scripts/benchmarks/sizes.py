"""How much is measured: `QUICK` says within two minutes whether something broke, `FULL` gives the figures to quote."""

import msgspec


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and seconds of every row."""

    name: str
    flushes: int
    rounds: int
    """How often each contestant has its turn."""
    append_s: float
    append_mailboxes: int
    small: int
    large: int
    """Messages of the two mailboxes that are compared."""
    reads: int
    """How often each read is timed, in each mailbox."""
    writes: int
    http_reads: int
    sync_load_s: float
    ingest_messages: int
    rebuild_messages: int
    idle_clients: int
    byte_messages: int
    published_events: int
    lag_s: float
    searches: int
    backlog_messages: int
    relayed_messages: int


QUICK = Sizes(
    name="quick",
    flushes=100,
    rounds=2,
    append_s=0.3,
    append_mailboxes=64,
    small=1_000,
    large=5_000,
    reads=60,
    writes=30,
    http_reads=80,
    sync_load_s=4.0,
    ingest_messages=240,
    rebuild_messages=2_000,
    idle_clients=1_000,
    byte_messages=500,
    published_events=2_000,
    lag_s=6.0,
    searches=40,
    backlog_messages=240,
    relayed_messages=400,
)
FULL = Sizes(
    name="full",
    flushes=500,
    rounds=5,
    append_s=2.0,
    append_mailboxes=500,
    small=1_000,
    large=100_000,
    reads=400,
    writes=200,
    http_reads=400,
    sync_load_s=20.0,
    ingest_messages=4_000,
    rebuild_messages=20_000,
    idle_clients=10_000,
    byte_messages=5_000,
    published_events=20_000,
    lag_s=30.0,
    searches=200,
    backlog_messages=4_000,
    relayed_messages=6_000,
)
