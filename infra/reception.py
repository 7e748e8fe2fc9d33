"""The door's other side in production: recipients judged by the directory, content to the blobs, a record to the queue.

Order of an acceptance: the object is durable under its name, then one commit takes the record, the object's touch and
its hold. What a crash leaves between the two is an object that nobody holds, and the sender tries again.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg

from domain.addresses import AddressInvalidError, EmailAddress
from domain.ids import MailboxId
from gateways.blobs import Blobs, mail_blob_name
from gateways.bounces.return_path import ReturnPaths
from gateways.directory import OPEN, SUSPENDED, Directory, DirectoryEntry
from gateways.envelope import Envelope, Recipient
from gateways.queue import Queue, QueueRecord, QueueUnavailableError
from gateways.reception import Spool, TemporarilyUnavailableError, Verdict
from gateways.srs import Srs, is_srs
from infra.postgres_queue import Connect
from infra.store.lane import LaneClosedError

CACHE_S = 2.0
CACHED_ADDRESSES = 50_000
_ROLES = frozenset({"postmaster", "abuse"})
_ROOM = "SELECT quota_bytes - used_bytes FROM mailboxes WHERE mailbox_id = %s"

Judged = tuple[DirectoryEntry | None, int]
"""An entry, and the octets free in its mailbox."""


class QueueReception:
    """The port `gateways.reception.Reception`; see there. What is known of an address is asked anew after 2 s."""

    def __init__(
        self,
        *,
        directory: Directory,
        domains: frozenset[str],
        blobs: Blobs,
        queue: Queue,
        connect: Connect,
        return_paths: ReturnPaths | None = None,
        complaints: str | None = None,
        srs: Srs | None = None,
        cache_s: float = CACHE_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._domains = domains
        self._blobs = blobs
        self._queue = queue
        self._connect = connect
        self._return_paths = return_paths
        self._complaints = complaints
        self._srs = srs
        self._known = _ShortMemory(cache_s, clock_s)

    def judge(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict:
        """Whether mail for `recipient` is taken; see `Reception.judge`."""
        if recipient.domain and recipient.domain not in self._domains:
            return Verdict.NOT_SERVED
        if (verdict := self._of_returns(recipient)) is not None:
            return verdict
        if is_srs(recipient):
            return self._on_srs(recipient)
        return _verdict(recipient, size_bytes, self._known.of(recipient.canonical, self._look_up))

    def recall(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict | None:
        """What `judge` would say from memory; see `Reception.recall`."""
        if recipient.domain and recipient.domain not in self._domains:
            return Verdict.NOT_SERVED
        if (verdict := self._of_returns(recipient)) is not None:
            return verdict
        if is_srs(recipient):
            return self._on_srs(recipient)
        known = self._known.recall(recipient.canonical)
        return None if known is None else _verdict(recipient, size_bytes, known)

    def _on_srs(self, recipient: EmailAddress) -> Verdict:
        """Bounces of what we forwarded are taken, and nothing else; of what we did not forward there are none."""
        known = self._srs is not None and self._srs.reverse(recipient) is not None
        return Verdict.ONLY_AUTOMATIC if known else Verdict.UNKNOWN_MAILBOX

    def _unwrapped(self, envelope: Envelope) -> Envelope:
        """The envelope with whoever sent what we forwarded in place of the address that leads back to him."""
        if self._srs is None or not any(one.forward_path[:3].lower() == "srs" for one in envelope.recipients):
            return envelope
        recipients = tuple(_unwrapped(one, self._srs) for one in envelope.recipients)
        return msgspec.structs.replace(envelope, recipients=recipients)

    def spool(self) -> Spool:
        """Room for the content of one more message."""
        try:
            return self._blobs.spool()
        except OSError as error:
            raise TemporarilyUnavailableError(str(error)) from error

    def accept(self, envelope: Envelope, spool: Spool) -> None:
        """Take over responsibility for the message; see `Reception.accept`."""
        name = mail_blob_name(envelope.acceptance_id, envelope.received_at)
        try:
            self._blobs.commit(spool, name)  # type: ignore[arg-type]  # only spools of `spool` come back here
            self._queue.put(QueueRecord(envelope=self._unwrapped(envelope), blob=name))
        except (OSError, QueueUnavailableError, psycopg.Error) as error:
            raise TemporarilyUnavailableError(str(error)) from error

    def accept_all(self, mails: Sequence[tuple[Envelope, bytes]]) -> Sequence[Exception | None]:
        """Take over responsibility for these messages; see `Reception.accept_all`.

        Where that fails for what may be the fault of one of them, each is tried by itself.
        """
        try:
            self._take(mails)
        except (OSError, QueueUnavailableError, psycopg.OperationalError, psycopg.InterfaceError) as outage:
            return [_unavailable(outage)] * len(mails)
        except Exception as error:  # noqa: BLE001 - handed to those whose mail it was
            if len(mails) > 1:
                return [outcome for mail in mails for outcome in self.accept_all([mail])]
            return [_unavailable(error) if isinstance(error, psycopg.Error) else error]
        return [None] * len(mails)

    def _take(self, mails: Sequence[tuple[Envelope, bytes]]) -> None:
        names = [mail_blob_name(envelope.acceptance_id, envelope.received_at) for envelope, _ in mails]
        self._blobs.put_all({name: content for name, (_, content) in zip(names, mails, strict=True)})
        self._queue.put_all(
            [
                QueueRecord(envelope=self._unwrapped(envelope), blob=name)
                for name, (envelope, _) in zip(names, mails, strict=True)
            ]
        )

    def _of_returns(self, recipient: EmailAddress) -> Verdict | None:
        """The verdict on an address that brings reports back; None for any other."""
        if self._complaints is not None and recipient.canonical == self._complaints:
            return Verdict.ACCEPT
        if self._return_paths is None or self._return_paths.read(recipient.localpart) is None:
            return None
        return Verdict.ONLY_AUTOMATIC

    def _look_up(self, address: str) -> Judged:
        try:
            entry = self._directory.find(address)
            return entry, 0 if entry is None else self._free_bytes(entry.mailbox_id)
        except (OSError, psycopg.Error, LaneClosedError) as error:
            raise TemporarilyUnavailableError(str(error)) from error

    def _free_bytes(self, mailbox_id: MailboxId) -> int:
        with self._connect() as connection:
            row: tuple[Any, ...] | None = connection.execute(_ROOM, (mailbox_id,)).fetchone()
        return 0 if row is None else int(row[0])


def _unwrapped(recipient: Recipient, srs: Srs) -> Recipient:
    try:
        sender = srs.reverse(EmailAddress.parse(recipient.forward_path))
    except AddressInvalidError:
        return recipient
    return recipient if sender is None else msgspec.structs.replace(recipient, forward_path=str(sender), orcpt=None)


def _verdict(recipient: EmailAddress, size_bytes: int | None, judged: Judged) -> Verdict:
    entry, free_bytes = judged
    if _is_role(recipient):
        return Verdict.ACCEPT
    if entry is None:
        return Verdict.UNKNOWN_MAILBOX
    if entry.state != OPEN:
        return Verdict.SUSPENDED if entry.state == SUSPENDED else Verdict.UNKNOWN_MAILBOX
    return Verdict.ACCEPT if free_bytes > 0 and (size_bytes or 0) <= free_bytes else Verdict.FULL


def _unavailable(error: Exception) -> TemporarilyUnavailableError:
    made = TemporarilyUnavailableError(str(error))
    made.__cause__ = error
    return made


def _is_role(recipient: EmailAddress) -> bool:
    return recipient.canonical.rpartition("@")[0] in _ROLES or not recipient.domain


class _ShortMemory:
    """What was looked up lately."""

    def __init__(self, keep_s: float, clock_s: Callable[[], float]) -> None:
        self._keep_s = keep_s
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, Judged]] = {}

    def recall(self, address: str) -> Judged | None:
        with self._lock:
            known = self._found.get(address)
        return known[1] if known is not None and known[0] > self._clock_s() else None

    def of(self, address: str, look_up: Callable[[str], Judged]) -> Judged:
        known = self.recall(address)
        if known is not None:
            return known
        until = self._clock_s() + self._keep_s
        judged = look_up(address)
        with self._lock:
            if len(self._found) >= CACHED_ADDRESSES:
                self._found.clear()
            self._found[address] = (until, judged)
        return judged
