"""What HTTP needs behind it: ports, and the few values of an installation's settings."""

import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from domain.events import RecordedEvent
from domain.ids import MailboxId
from gateways.accounts import Accounts, AppPasswords, Passwords, Registration, Sessions
from gateways.appending import Appender
from gateways.blobs import Blobs
from gateways.http.token_checks import TokenChecks
from gateways.http.waiters import Waiters
from gateways.mime.structure import ParsedMessage
from gateways.second_factors import SecondFactors
from gateways.transfers import Transfers
from projections.contacts import Suggestions
from projections.mailbox_views import MailboxFacts, MailboxRecords, MessageLists
from projections.search import SearchIndex
from projections.sync_page import SyncPage

if TYPE_CHECKING:
    from gateways.http.file_scans import FileScans  # whose problems need these ports

MIB = 2**20
AsgiApp = Callable[..., Awaitable[None]]


class SyncReader(Protocol):
    """Reads a mailbox's stream."""

    def page(self, mailbox_id: MailboxId, since: int, *, limit: int, known_hash: bytes | None = None) -> SyncPage:
        """At most `limit` events after `since`. Raises: NoMailboxError, SequenceAheadError, HistoryDivergedError."""

    def batch(self, mailbox_id: MailboxId, since: int, *, limit: int) -> list[RecordedEvent]:
        """At most `limit` events after `since`, with all that only the server may know."""


class Extracts(Protocol):
    """What a stored message says, from one reading of it."""

    def extract(self, blob: str) -> ParsedMessage:
        """Raises: BlobMissingError, MailAlteredError."""


class KeptAnswer(msgspec.Struct, frozen=True):
    """An answer under an idempotency key. `digest` is of the request, keyed."""

    digest: bytes
    status: int
    body: bytes


class KeptAnswers(Protocol):
    """The answers to calls that append nothing, for a day."""

    def find(self, account_id: str, key: str) -> KeptAnswer | None:
        """The answer kept under this key."""

    def keep(self, account_id: str, key: str, answer: KeptAnswer) -> KeptAnswer:
        """Keep this answer, or give back the one that is kept already."""


class Upload(msgspec.Struct, frozen=True):
    """A file on its way into a draft. `sha256` is null until its bytes are here; times are unix milliseconds."""

    upload_id: str
    mailbox_id: MailboxId
    filename: str
    content_type: str
    size: int
    expected_sha256: str | None
    sha256: str | None
    completed: bool
    expires_at: int


class Uploads(Protocol):
    """What clients bring for their drafts. An upload and its object go a few days after they came."""

    def add(self, upload: Upload) -> None:
        """Remember a new upload. Its size counts against the quota until a message has it.

        Raises: TooManyUploadsError, MailboxFullError.
        """

    def find(self, upload_id: str) -> Upload | None:
        """The upload, where it has not expired."""

    def arrived(self, upload_id: str, sha256: str) -> bool:
        """Its bytes are stored under `attachment_blob_name(sha256)` and held for it.

        False where it expired before, or was completed with other bytes.
        """

    def complete(self, upload_id: str) -> None:
        """It may be attached."""

    def owned(self, mailbox_id: MailboxId, sha256: str) -> int | None:
        """The size of an attachment that a message or upload of this mailbox holds; null where none does."""


class TooManyUploadsError(Exception):
    """The mailbox has too many uploads that no message uses yet."""


class Gauge(msgspec.Struct, frozen=True):
    """One value of the metric `ledgermail_` + `name`, under its label and that label's value, if it has one."""

    name: str
    meaning: str
    value: float
    label: tuple[str, str] | None = None


class Gauges(Protocol):
    """What is measured when somebody asks, of the whole installation."""

    def read(self) -> Iterable[Gauge]:
        """The values now."""


class Failing(msgspec.Struct, frozen=True):
    """A server that does not answer. Without one that is not `needed` the service goes on, with less to offer."""

    name: str
    needed: bool = True


class Checks(Protocol):
    """What the service needs, for `/readyz`."""

    def failing(self) -> Sequence[Failing]:
        """What does not answer now; told within a few seconds, whatever hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The values of an installation's settings that HTTP asks for."""

    hostname: str = "localhost"
    secret: bytes = field(repr=False)
    """32 octets, the same in every process: signs addresses and keys digests."""
    public_url: str | None = None
    """Where the world reaches this service, without a path."""
    undo_seconds: int = 10
    messages_per_minute: int = 25
    messages_per_day: int = 500
    volume_from: int = 100
    max_message_bytes: int = 36 * MIB
    max_attachment_bytes: int = 25 * MIB
    account_requests_per_s: int = 50
    address_requests_per_s: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpParts:
    """Everything that HTTP calls. `touch` starts the grace of objects about to be put, and commits.

    `outages` are the errors of servers that do not answer (503), `full` those of a full disk (507). `pages` are other
    applications, by path. `transfers` is null where all octets pass through this service, `file_scans` where
    nobody looks for viruses. `draining` is set once the
    process is to stop.
    """

    settings: HttpSettings
    executor: Executor
    appender: Appender
    lists: MessageLists
    facts: MailboxFacts
    records: MailboxRecords
    reader: SyncReader
    registration: Registration
    accounts: Accounts
    sessions: Sessions
    passwords: Passwords
    app_passwords: AppPasswords
    second_factors: SecondFactors
    blobs: Blobs
    extracts: Extracts
    touch: Callable[[Mapping[str, int]], None]
    uploads: Uploads
    kept_answers: KeptAnswers
    search: SearchIndex
    suggestions: Suggestions
    waiters: Waiters
    tokens: TokenChecks
    gauges: Gauges
    checks: Checks
    outages: tuple[type[Exception], ...] = ()
    full: tuple[type[Exception], ...] = ()
    pages: Mapping[str, AsgiApp] = field(default_factory=dict)
    transfers: Transfers | None = None
    file_scans: "FileScans | None" = None
    draining: threading.Event = field(default_factory=threading.Event)
