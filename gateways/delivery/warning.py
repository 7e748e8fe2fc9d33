"""What an operator is told of a dead letter: a short mail to postmaster, through the queue like any other.

Its acceptance id is derived from the letter, so that one letter gives one notice, however often a worker crashes over
it. A notice that becomes a dead letter itself gives none.
"""

import logging
from collections.abc import Callable
from email.utils import formatdate

import msgspec

from gateways.blobs import Blobs, StorageFullError, mail_blob_name
from gateways.delivery.own_mail import TEXT, derived_id, header, notice_envelope, one_line
from gateways.delivery.routes import POSTMASTER
from gateways.envelope import Recipient
from gateways.queue import Leased, Queue, QueueRecord

SOURCE = "warning"
_log = logging.getLogger(__name__)


class Warnings:
    """Puts notices to the operator into the queue."""

    def __init__(self, *, queue: Queue, blobs: Blobs, hostname: str, clock_ms: Callable[[], int]) -> None:
        self._queue = queue
        self._blobs = blobs
        self._hostname = hostname
        self._clock_ms = clock_ms

    def tell(self, leased: Leased, recipient: int, *, error: str) -> None:
        """Before the burial. Safe to repeat; a file error is logged, and the log tells of the letter anyway.

        Raises: QueueUnavailableError.
        """
        if leased.record.envelope.source == SOURCE:
            return
        now_ms, acceptance_id = self._clock_ms(), derived_id(f"dead:{leased.record.acceptance_id}:{recipient}")
        raw = self._written(leased, recipient, error=error, acceptance_id=acceptance_id, now_ms=now_ms)
        blob = mail_blob_name(acceptance_id, leased.record.envelope.received_at)
        envelope = notice_envelope(
            raw, Recipient(POSTMASTER, notify=("NEVER",)), acceptance_id, hostname=self._hostname, now_ms=now_ms
        )
        try:
            self._queue.expect(blob, size_bytes=len(raw))
            self._blobs.put(blob, raw)
        except (OSError, StorageFullError) as failed:
            _log.error("dead letter: %s: no operator could be told by mail: %s", leased.record.acceptance_id, failed)
            return
        self._queue.put(QueueRecord(envelope=msgspec.structs.replace(envelope, source=SOURCE), blob=blob))

    def _written(self, leased: Leased, recipient: int, *, error: str, acceptance_id: str, now_ms: int) -> bytes:
        envelope, dead = leased.record.envelope, leased.record.acceptance_id
        beginning = header(
            f"{POSTMASTER}@{self._hostname}",
            "A message could not be delivered",
            acceptance_id=acceptance_id,
            hostname=self._hostname,
            now_ms=now_ms,
        )
        text = (
            f"{beginning}{TEXT}"
            "A message was given up and lies among the dead letters.\r\n\r\n"
            f"Recipient: <{one_line(leased.recipient(recipient).forward_path)}>\r\n"
            f"Sender: <{one_line(envelope.reverse_path)}>\r\n"
            f"Received: {formatdate(envelope.received_at / 1000)}\r\n"
            f"Error: {one_line(error)}\r\n\r\n"
            "Look into it, then retry or discard it:\r\n\r\n"
            f"    ledgermail queue show {dead}\r\n"
            f"    ledgermail queue retry {dead}\r\n"
            f"    ledgermail queue discard {dead}\r\n\r\n"
            "Untouched, it is discarded after some days, and its sender is told.\r\n"
        )
        return text.encode(errors="replace")
