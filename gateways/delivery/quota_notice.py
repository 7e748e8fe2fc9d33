"""What a mailbox's owner is told when it fills up: a short mail into INBOX, through the queue like any other.

Accepted mail is never refused for want of room, so it arrives however full the mailbox is. Everything about it follows
from the notice: telling it again after a crash sends the same mail under the same id, which is delivered once.
"""

import msgspec

from domain.ids import MailboxId
from gateways.blobs import Blobs, mail_blob_name
from gateways.delivery.own_mail import TEXT, derived_id, header, notice_envelope, one_line
from gateways.envelope import Recipient
from gateways.queue import Queue, QueueRecord

SOURCE = "notice"
UNITS = ("B", "KB", "MB", "GB", "TB")


class QuotaNotice(msgspec.Struct, frozen=True, kw_only=True):
    """The mailbox of `address` passed `level` (per cent of its quota) at `noted_at` (unix milliseconds)."""

    mailbox_id: MailboxId
    address: str
    level: int
    used_bytes: int
    limit_bytes: int
    noted_at: int


class QuotaNotices:
    """Puts notices to owners into the queue."""

    def __init__(self, *, queue: Queue, blobs: Blobs, hostname: str) -> None:
        self._queue = queue
        self._blobs = blobs
        self._hostname = hostname

    def tell(self, notice: QuotaNotice) -> None:
        """Durable in the queue on return. Safe to repeat.

        Raises: QueueUnavailableError, StorageFullError, OSError.
        """
        acceptance_id = derived_id(f"quota:{notice.mailbox_id}:{notice.level}:{notice.noted_at}")
        blob = mail_blob_name(acceptance_id, notice.noted_at)
        raw = self._stored(blob, _written(notice, acceptance_id, self._hostname))
        to = Recipient(notice.address, notify=("NEVER",))
        envelope = notice_envelope(raw, to, acceptance_id, hostname=self._hostname, now_ms=notice.noted_at)
        smtputf8 = not notice.address.isascii()
        envelope = msgspec.structs.replace(envelope, source=SOURCE, smtputf8=smtputf8)
        self._queue.put(QueueRecord(envelope=envelope, blob=blob))

    def _stored(self, blob: str, raw: bytes) -> bytes:
        """What lies under the name: what an interrupted call put there may be delivered already, and stays as it is."""
        self._queue.expect(blob, size_bytes=len(raw))
        if self._blobs.exists(blob):
            return self._blobs.read(blob)
        self._blobs.put(blob, raw)
        return raw


def _written(notice: QuotaNotice, acceptance_id: str, hostname: str) -> bytes:
    is_full = notice.used_bytes >= notice.limit_bytes
    fill = "full" if is_full else f"{notice.level} % full"
    domain = notice.address.rpartition("@")[2]
    beginning = header(
        notice.address,
        f"Your mailbox is {fill}",
        acceptance_id=acceptance_id,
        hostname=hostname,
        now_ms=notice.noted_at,
    )
    text = (
        f"{beginning}{TEXT}"
        f"Your mailbox {one_line(notice.address)} is {fill}:\r\n"
        f"{size_text(notice.used_bytes)} of {size_text(notice.limit_bytes)} are used.\r\n\r\n"
        "While a mailbox is full, new mail to it is refused: the servers that send\r\n"
        "it try again for some days, then they tell their senders. Nothing can be\r\n"
        "saved or sent from it either. What lies in it stays, and you can go on\r\n"
        "reading, moving and deleting.\r\n\r\n"
        "To make room, delete what you no longer need, and empty Trash and Spam:\r\n"
        "messages count until they are deleted there too. Searching for larger:5m\r\n"
        "finds the large ones.\r\n\r\n"
        f"If you need more room, write to postmaster@{one_line(domain)}.\r\n"
    )
    return text.encode(errors="replace")


def size_text(size_bytes: int) -> str:
    """`850 B`, `9.5 MB`, `15.0 GB`: in steps of 1024, never more than it is."""
    unit = min((max(size_bytes, 1).bit_length() - 1) // 10, len(UNITS) - 1)
    whole, tenth = divmod(size_bytes * 10 >> 10 * unit, 10)
    return f"{whole}.{tenth} {UNITS[unit]}" if unit else f"{whole} {UNITS[unit]}"
