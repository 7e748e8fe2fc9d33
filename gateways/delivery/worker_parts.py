"""What a delivery worker is made of: the ports it works with, what it waits out, and how much it takes at a time."""

from dataclasses import dataclass, field

from gateways.appending import Appender
from gateways.blobs import Blobs
from gateways.delivery.book import Book
from gateways.delivery.failures import ATTEMPTS, OUTAGE_PAUSE_MS
from gateways.delivery.filtered import Filtering, Unfiltered
from gateways.delivery.joint_notice import Apart, JointNotices
from gateways.delivery.relaying import Relaying
from gateways.delivery.returned import Returns
from gateways.delivery.virus_gate import Quarantine
from gateways.directory import Directory
from gateways.queue import Queue
from gateways.spam.learning import NoPersonalFilters, PersonalFilters
from gateways.srs import Srs
from gateways.virus.scanning import Scanner


@dataclass(frozen=True, kw_only=True)
class WorkerParts:
    """The ports of a worker, and whose mail it delivers.

    `filters` runs the owners' rules; without it nobody has any. `srs` knows whom bounces of forwarded mail are for.
    """

    queue: Queue
    blobs: Blobs
    book: Book
    appender: Appender
    directory: Directory
    relay: Relaying
    domains: frozenset[str]
    hostname: str
    filters: Filtering = field(default_factory=Unfiltered)
    personal: PersonalFilters = field(default_factory=NoPersonalFilters)
    srs: Srs | None = None
    returns: Returns | None = None
    quarantine: Quarantine | None = None
    scanner: Scanner | None = None
    joint: JointNotices = field(default_factory=Apart)


@dataclass(frozen=True, kw_only=True)
class Outages:
    """Errors that say nothing of a record and are waited out.

    `common` are those of servers that do not answer, on which all wait; `lone`, beside errors of files, those on which
    one record or mailbox alone waits.
    """

    common: tuple[type[Exception], ...] = ()
    lone: tuple[type[Exception], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much a worker takes at a time, and how long it has patience.

    `bytes_at_once` of messages are in memory at a time, unless a single one is larger. What waits for the scanner is
    delivered without it `scanner_patience_ms` after it was received.
    """

    leased_at_once: int = 128
    bytes_at_once: int = 32 << 20
    lease_s: float = 120.0
    attempts: int = ATTEMPTS
    outage_pause_s: float = OUTAGE_PAUSE_MS / 1000
    scanner_patience_ms: int = 0
