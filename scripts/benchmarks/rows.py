"""The rows of each profile, in the order in which they are measured."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from scripts.benchmarks import (
    append,
    authentication,
    bytes_per_message,
    consumers,
    findable,
    idle_clients,
    ingest,
    ingest_beside,
    mailbox_sizes,
    publishing,
    rebuilding,
    relay_latency,
    relaying,
    searching,
    starting,
    sync_load,
    together,
)
from scripts.benchmarks.report import Figure
from scripts.benchmarks.stage import Stage

Measure = Callable[[Stage], Iterator[Figure]]
Rows = Mapping[str, tuple[Measure, str]]
"""Name → how it is measured, and what it is."""

_START = (starting.measure, "from the call to serving")
_APPEND = (append.measure, "appending with the views in step")
_SIZES = (mailbox_sizes.measure, "every question and change in a small and a large mailbox")
_SYNC = (sync_load.measure, "/sync one event behind over HTTP, alone and under ingest")
_REBUILD = (rebuilding.measure, "making the rows in step and the search index again")
_IDLE = (idle_clients.measure, "clients that wait: memory each, threads, all told after")

EMBEDDED: Rows = {
    starting.ROW: _START,
    append.ROW: _APPEND,
    mailbox_sizes.ROW: _SIZES,
    sync_load.ROW: _SYNC,
    ingest.ROW: (ingest.measure, "mail by SMTP, with and without search, beside Dovecot"),
    authentication.ROW: (authentication.measure, "SPF, DKIM, ARC and DMARC: one message, and ingest with them"),
    relaying.ROW: (relay_latency.measure_all, "mail to other hosts, signed, and the next one due among many"),
    rebuilding.ROW: _REBUILD,
    idle_clients.ROW: _IDLE,
    bytes_per_message.ROW: (bytes_per_message.measure, "bytes that a message takes in the database"),
}
SERVER: Rows = {
    starting.ROW: _START,
    append.ROW: _APPEND,
    publishing.ROW: (publishing.measure, "what was appended, to mailbox_events"),
    consumers.ROW: (consumers.measure, "a view that follows mailbox_events, by 1, 2 and 4 consumers"),
    mailbox_sizes.ROW: _SIZES,
    sync_load.ROW: _SYNC,
    searching.ROW: (searching.measure, "/search over HTTP in the large mailbox, alone and under ingest"),
    findable.ROW: (findable.measure, "how far the index is behind, append to findable"),
    ingest_beside.ROW: (ingest_beside.measure, "mail by SMTP, in turns with an embedded installation"),
    together.ROW: (together.measure, "two delivery and two follower processes on one backlog"),
    rebuilding.ROW: _REBUILD,
    idle_clients.ROW: _IDLE,
}
PROFILES: Final[Mapping[str, Rows]] = {"embedded": EMBEDDED, "server": SERVER}
