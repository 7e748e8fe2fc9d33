"""Writing a mailbox's mail into files: as `/raw` gives it, the trace block and then byte for byte what arrived.

What is exported is what stood when the export began. An interrupted export goes on: what lies there whole is not
written again.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import asctime, gmtime
from typing import IO, Any

import msgspec
from psycopg import Connection

from domain.events import MessageDelivered, MessageServer
from domain.ids import MailboxId
from domain.rows import MessageRow
from domain.times import rfc3339
from gateways.blobs import BlobMissingError, Blobs
from gateways.mail_objects import MailAlteredError
from gateways.told_mail import read_told_mail, told_mail
from infra.durable_files import flush, flush_folder
from infra.mail_files import MBOX_SUFFIXES
from infra.maildir import MaildirTree
from infra.store.reading import StreamReader
from infra.store.row_loading import read_json_as_raw
from infra.store.row_tables import MESSAGES

BATCH_EVENTS = 500
MANIFEST = "manifest.json"

_HEAD = "SELECT head FROM mailboxes WHERE mailbox_id = %s"
_LABELS = (
    "SELECT x.label_id, x.parent_id, x.name FROM labels x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.destroyed_seq IS NULL"
)
_OF_ORIGINS = (
    f"SELECT {MESSAGES.columns} FROM messages x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"  # noqa: S608
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.destroyed_seq IS NULL AND x.delivered_seq = ANY(%s)"
    " ORDER BY x.delivered_seq"
)
_QUOTED = re.compile(rb"^(>*From )", re.MULTILINE)

Progress = Callable[[int, int], None]
"""Told (events read, events in all)."""


class Exported(msgspec.Struct):
    """What an export came to; `failures` are (message id, why)."""

    written: int = 0
    there: int = 0
    failures: list[tuple[str, str]] = []


class ExportedMail(msgspec.Struct, frozen=True):
    """A message as the manifest names it, beside its file."""

    file: str
    id: str
    thread_id: str
    received_at: str
    size: int
    labels: tuple[str, ...]
    keywords: tuple[str, ...]


class Mailbag(msgspec.Struct, frozen=True):
    """Where an export takes messages from."""

    connection: Connection[Any]
    reader: StreamReader
    blobs: Blobs
    mailbox_id: MailboxId
    address: str

    def head(self) -> int:
        """The seq that the mailbox has reached."""
        found = self.connection.execute(_HEAD, (self.mailbox_id,)).fetchone()
        return int(found[0]) if found is not None else 0

    def label_paths(self) -> dict[str, str]:
        """Label id → path."""
        rows = self.connection.execute(_LABELS, (self.mailbox_id,)).fetchall()
        by_id: dict[str, tuple[str | None, str]] = {label_id: (parent, name) for label_id, parent, name in rows}
        return {label_id: "/".join(_path(label_id, by_id)) for label_id in by_id}

    def messages(self, until: int, progress: Progress) -> Iterator[tuple[MessageRow, MessageServer | None]]:
        """Each live message with what the server noted when it came, in the order of their delivery."""
        read_json_as_raw(self.connection)
        seq = 0
        while seq < until:
            batch = self.reader.batch(self.mailbox_id, seq, limit=BATCH_EVENTS)
            noted = {
                recorded.seq: event.server if isinstance(event.server, MessageServer) else None
                for recorded in batch
                if isinstance(event := recorded.event, MessageDelivered) and recorded.seq <= until
            }
            rows = self.connection.execute(_OF_ORIGINS.encode(), (self.mailbox_id, list(noted))).fetchall()
            for values in rows:
                row = MESSAGES.row(values)
                yield row, noted[row.delivered_seq]
            seq = batch[-1].seq if batch else until
            progress(min(seq, until), until)

    def raw(self, row: MessageRow, server: MessageServer | None) -> bytes:
        """The message as `/raw` gives it. Raises: BlobMissingError, MailAlteredError."""
        trace = server.trace.encode() if server is not None else b""
        return trace + read_told_mail(self.blobs, row.blob, told_mail(row.size, server))


def unlike_the_log(bag: Mailbag, progress: Progress = lambda _done, _all: None) -> Iterator[tuple[MessageRow, str]]:
    """Each live message whose bytes are not, or no longer, what the log tells of, and why."""
    for row, server in bag.messages(bag.head(), progress):
        try:
            bag.raw(row, server)
        except (BlobMissingError, MailAlteredError) as error:
            yield row, f"{type(error).__name__}: {error}"


def _path(label_id: str, by_id: dict[str, tuple[str | None, str]]) -> tuple[str, ...]:
    parent, name = by_id[label_id]
    return (*_path(parent, by_id), name) if parent in by_id and parent is not None else (name,)


def is_mbox(target: Path) -> bool:
    """Whether the target's name asks for one mbox file."""
    return target.suffix.lower() in MBOX_SUFFIXES


def export_files(bag: Mailbag, folder: Path, progress: Progress = lambda _done, _all: None) -> Exported:
    """One `.eml` a message in `messages/`, and the manifest."""
    (folder / "messages").mkdir(parents=True, exist_ok=True)
    exported = Exported()
    with _Manifest(folder / MANIFEST, bag) as manifest:
        for row, server in bag.messages(manifest.head, progress):
            name = f"messages/{row.message_id}.eml"
            if _put(bag, folder / name, row, server, exported):
                manifest.add(row, name)
    return exported


def export_maildir(bag: Mailbag, folder: Path, progress: Progress = lambda _done, _all: None) -> Exported:
    """A Maildir whose folders (Maildir++) are the labels, INBOX at the top; a message of several labels is linked."""
    exported, maildir = Exported(), MaildirTree(folder)
    with _Manifest(folder / MANIFEST, bag) as manifest:
        for row, server in bag.messages(manifest.head, progress):
            stem = f"{max(row.received_at, 0) // 1000}.{row.message_id}.ledgermail"
            paths = sorted({manifest.paths.get(label, label) for label in row.labels})
            first, *others = [maildir.place(path, stem, tuple(row.keywords)) for path in paths]
            if _put(bag, first, row, server, exported):
                for other in others:
                    _link(first, other)
                manifest.add(row, str(first.relative_to(folder)))
    return exported


def _link(first: Path, other: Path) -> None:
    try:
        os.link(first, other)
    except FileExistsError:
        return
    except OSError:
        shutil.copyfile(first, other)


def export_mbox(bag: Mailbag, target: Path, progress: Progress = lambda _done, _all: None) -> Exported:
    """One mbox (mboxrd: `From ` in bodies quoted) with the messages' own line ends; the manifest is beside it."""
    exported, unfinished = Exported(), target.with_name(target.name + ".part")
    with _Manifest(target.with_name(target.name + ".manifest.json"), bag) as manifest, unfinished.open("wb") as file:
        for row, server in bag.messages(manifest.head, progress):
            try:
                raw = bag.raw(row, server)
            except (BlobMissingError, MailAlteredError) as error:
                exported.failures.append((row.message_id, str(error)))
                continue
            _write_mbox(file, row, raw)
            exported.written += 1
            manifest.add(row, target.name)
        file.flush()
        flush(file.fileno())
    unfinished.replace(target)
    flush_folder(target.parent)
    return exported


def _write_mbox(file: IO[bytes], row: MessageRow, raw: bytes) -> None:
    when = asctime(gmtime(min(max(row.received_at, 0) // 1000, 253_402_300_799)))
    file.write(b"From MAILER-DAEMON " + when.encode() + b"\r\n")
    file.write(_QUOTED.sub(rb">\1", raw))
    file.write(b"\r\n" if raw.endswith(b"\n") else b"\r\n\r\n")


def _put(bag: Mailbag, path: Path, row: MessageRow, server: MessageServer | None, exported: Exported) -> bool:
    """Write a message under its name unless it lies there whole; false where it cannot be read."""
    if path.exists() and path.stat().st_size == row.size:
        exported.there += 1
        return True
    try:
        raw = bag.raw(row, server)
    except (BlobMissingError, MailAlteredError) as error:
        exported.failures.append((row.message_id, f"{type(error).__name__}: {error}"))
        return False
    temporary = path.with_name(f".{row.message_id}.part")
    temporary.write_bytes(raw)
    os.utime(temporary, ns=(row.received_at * 1_000_000,) * 2)
    temporary.replace(path)
    exported.written += 1
    return True


class _Manifest:
    """`{"address", "head", "labels", "messages": […]}`, written as it goes, in place only when it is whole."""

    def __init__(self, path: Path, bag: Mailbag) -> None:
        self._path = path
        self._temporary = path.with_name(path.name + ".part")
        self._address = bag.address
        self.head = bag.head()
        self.paths = bag.label_paths()
        self._count = 0

    def __enter__(self) -> "_Manifest":
        self._file = self._temporary.open("wb")
        about = {"address": self._address, "head": self.head, "labels": sorted(self.paths.values())}
        self._file.write(msgspec.json.encode(about)[:-1] + b',"messages":[')
        return self

    def add(self, row: MessageRow, file: str) -> None:
        """One message more."""
        labels = tuple(self.paths.get(label_id, label_id) for label_id in row.labels)
        mail = ExportedMail(
            file, row.message_id, row.thread_id, rfc3339(row.received_at), row.size, labels, tuple(row.keywords)
        )
        self._file.write((b"\n" if self._count == 0 else b",\n") + msgspec.json.encode(mail))
        self._count += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None:
                self._file.write(b"\n]}\n")
                self._file.flush()
                flush(self._file.fileno())
        if kind is None:
            self._temporary.replace(self._path)
            flush_folder(self._path.parent)
