"""Bringing mail along into a mailbox: batch after batch through the lane, each message once however often it is tried.

A message is known by its content and the label it goes to, so that a repeated or interrupted import adds nothing twice.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import msgspec

from domain.commands import Outcome, Refusal
from domain.events import Who
from domain.ids import MailboxId
from domain.labels import folded
from domain.times import DAY_MS
from gateways.appending import Appender
from gateways.blobs import Blobs
from gateways.mime.dates import milliseconds
from gateways.mime.encoded_words import unfolded
from gateways.mime.header_fields import body_offset, fields_of
from infra.direct_delivery import Arrival, DirectDelivery
from infra.label_paths import LabelPaths
from infra.mail_files import FoundMail
from infra.postgres_queue import Connect

BATCH_MESSAGES = 64
BATCH_BYTES = 8 * 2**20
MAX_TOLD_FAILURES = 1000
WHO = Who(actor="operator", client="ledgermail import", protocol="command line")

_SEEN = "SELECT command_id FROM commands WHERE mailbox_id = %s AND command_id = ANY(%s)"


class Failure(msgspec.Struct, frozen=True):
    """A message that could not be brought along, and why."""

    file: Path
    place: int
    reason: str


class Counts(msgspec.Struct):
    """What became of the messages of one file or Maildir folder."""

    imported: int = 0
    already_there: int = 0
    skipped: int = 0
    failed: int = 0


class Imported(msgspec.Struct):
    """What an import came to so far: by file, and the first thousand failures."""

    files: dict[Path, Counts] = {}
    failures: list[Failure] = []

    @property
    def total(self) -> Counts:
        """Over all files."""
        names = Counts.__struct_fields__
        return Counts(*(sum(getattr(counts, name) for counts in self.files.values()) for name in names))

    @property
    def messages(self) -> int:
        """How many messages were looked at."""
        total = self.total
        return total.imported + total.already_there + total.skipped + total.failed

    def counts(self, found: FoundMail) -> Counts:
        """The counts that a message belongs to."""
        return self.files.setdefault(found.source, Counts())


class ImportWishes(msgspec.Struct, frozen=True, kw_only=True):
    """Where the mail goes: under this label (its path; folders of a Maildir below it), with these keywords besides."""

    label: str = ""
    keywords: tuple[str, ...] = ()
    skip_trashed: bool = False


Progress = Callable[[Imported], None]


def import_mail(
    found: Iterable[FoundMail],
    mailbox_id: MailboxId,
    *,
    wishes: ImportWishes,
    connect: Connect,
    blobs: Blobs,
    appender: Appender,
    progress: Progress = lambda _imported: None,
) -> Imported:
    """Bring these messages along; one batch is read while the one before is appended.

    Raises: LabelInvalidError, StorageFullError, psycopg.Error: call again to go on.
    """
    imported = Imported()
    with closing(DirectDelivery(connect, blobs, appender)) as direct:
        importing = _Importing(
            mailbox_id, wishes, connect, direct, LabelPaths(mailbox_id, connect, appender, WHO), imported
        )
        before: list[tuple[FoundMail, Future[Outcome]]] = []
        for batch in _batches(found):
            submitted = importing.submit(batch)
            importing.settle(before)
            before = submitted
            progress(imported)
        importing.settle(before)
    progress(imported)
    return imported


def _batches(found: Iterable[FoundMail]) -> Iterator[list[FoundMail]]:
    batch: list[FoundMail] = []
    size = 0
    for one in found:
        batch.append(one)
        size += len(one.content or b"")
        if len(batch) >= BATCH_MESSAGES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Importing:
    def __init__(
        self,
        mailbox_id: MailboxId,
        wishes: ImportWishes,
        connect: Connect,
        direct: DirectDelivery,
        labels: LabelPaths,
        imported: Imported,
    ) -> None:
        self._mailbox_id = mailbox_id
        self._wishes = wishes
        self._connect = connect
        self._direct = direct
        self._labels = labels
        self._imported = imported

    def submit(self, batch: list[FoundMail]) -> "list[tuple[FoundMail, Future[Outcome]]]":
        """Store and hand over what is new of a batch."""
        wanted: dict[str, tuple[FoundMail, Arrival]] = {}
        for found in batch:
            if found.other or (found.trashed and self._wishes.skip_trashed):
                self._imported.counts(found).skipped += 1
            elif found.content is None:
                self._failed(found, found.error)
            elif not found.content.strip():
                self._failed(found, "it is empty")
            else:
                arrival = self._arrival(found, found.content)
                if arrival.command_id in wanted:
                    self._imported.counts(found).already_there += 1
                wanted.setdefault(arrival.command_id, (found, arrival))
        new = self._new(wanted)
        futures = self._direct.submit(self._mailbox_id, [arrival for _, arrival in new], WHO) if new else []
        return [(found, future) for (found, _), future in zip(new, futures, strict=True)]

    def settle(self, submitted: "list[tuple[FoundMail, Future[Outcome]]]") -> None:
        """Count what became of a batch."""
        for found, future in submitted:
            try:
                outcome = future.result()
            except Refusal as refusal:
                self._failed(found, str(refusal))
                continue
            counts = self._imported.counts(found)
            if outcome.repeated:
                counts.already_there += 1
            else:
                counts.imported += 1

    def _new(self, wanted: dict[str, tuple[FoundMail, Arrival]]) -> list[tuple[FoundMail, Arrival]]:
        with self._connect() as connection:
            rows = connection.execute(_SEEN, (self._mailbox_id, list(wanted))).fetchall()
        seen = {command_id for (command_id,) in rows}
        for command_id in seen:
            self._imported.counts(wanted[command_id][0]).already_there += 1
        return [pair for command_id, pair in wanted.items() if command_id not in seen]

    def _arrival(self, found: FoundMail, content: bytes) -> Arrival:
        path = (*filter(None, self._wishes.label.split("/")), *found.folder) or ("INBOX",)
        digest = hashlib.sha256(b"%b\0%b" % ("/".join(map(folded, path)).encode(), content)).hexdigest()
        return Arrival(
            content=content,
            command_id=f"import:{digest}",
            received_at=received_at(content, found),
            labels=(self._labels.at(path),),
            keywords=tuple(sorted({*found.keywords, *self._wishes.keywords})),
            source="import",
            limit_quota=True,
        )

    def _failed(self, found: FoundMail, reason: str) -> None:
        self._imported.counts(found).failed += 1
        if len(self._imported.failures) < MAX_TOLD_FAILURES:
            self._imported.failures.append(Failure(found.file, found.place, reason))


def received_at(content: bytes, found: FoundMail, now_ms: int | None = None) -> int:
    """When a message came in: what its newest Received field says, else the mbox, else its Date; never the future."""
    latest = (time.time_ns() // 1_000_000 if now_ms is None else now_ms) + DAY_MS
    fields = fields_of(content, 0, body_offset(content, 0, len(content)))
    received = (milliseconds(unfolded(value.rpartition(b";")[2]).strip()) for value in fields.get(b"received", [])[:1])
    dated = (milliseconds(unfolded(value).strip()) for value in fields.get(b"date", [])[:1])
    for candidate in (*received, found.arrived_at, *dated, found.modified_at):
        if candidate is not None and 0 <= candidate <= latest:
            return candidate
    return latest - DAY_MS
