"""What an owner is told whose rules fail: a short mail into INBOX, once for those rules as they stand."""

from collections.abc import Callable

import msgspec

from domain.ids import MailboxId
from gateways.blobs import Blobs, mail_blob_name
from gateways.delivery.own_mail import TEXT, derived_id, header, notice_envelope, one_line
from gateways.delivery.quota_notice import SOURCE
from gateways.envelope import Recipient
from gateways.filtering.owner_rules import OwnerRules
from gateways.queue import Queue, QueueRecord

MAX_REMEMBERED = 10_000


class RuleNotices:
    """Puts such notices into the queue. What was told before is delivered once, whoever tells it again."""

    def __init__(self, *, queue: Queue, blobs: Blobs, hostname: str, clock_ms: Callable[[], int]) -> None:
        self._queue = queue
        self._blobs = blobs
        self._hostname = hostname
        self._clock_ms = clock_ms
        self._told: dict[str, None] = {}

    def tell(self, mailbox_id: MailboxId, rules: OwnerRules, error: str) -> None:
        """Durable in the queue on return. Safe to repeat.

        Raises: QueueUnavailableError, StorageFullError, OSError.
        """
        acceptance_id = derived_id(f"rules:{mailbox_id}:{rules.digest}")
        if acceptance_id in self._told or not rules.address:
            return
        now_ms = self._clock_ms()
        raw = _written(rules.address, error, acceptance_id, self._hostname, now_ms)
        blob = mail_blob_name(f"{acceptance_id}{now_ms:x}", now_ms)
        self._queue.expect(blob, size_bytes=len(raw))
        self._blobs.put(blob, raw)
        to = Recipient(rules.address, notify=("NEVER",))
        envelope = notice_envelope(raw, to, acceptance_id, hostname=self._hostname, now_ms=now_ms)
        envelope = msgspec.structs.replace(envelope, source=SOURCE, smtputf8=not rules.address.isascii())
        self._queue.put(QueueRecord(envelope=envelope, blob=blob))
        if len(self._told) >= MAX_REMEMBERED:
            self._told.clear()
        self._told[acceptance_id] = None


def _written(address: str, error: str, acceptance_id: str, hostname: str, now_ms: int) -> bytes:
    beginning = header(
        address, "Your mail filters do not work", acceptance_id=acceptance_id, hostname=hostname, now_ms=now_ms
    )
    text = (
        f"{beginning}{TEXT}"
        "One of your filters could not be run on a message that came in:\r\n\r\n"
        f"    {one_line(error)}\r\n\r\n"
        "The message is in your inbox, as if you had no filters. Until this is\r\n"
        "mended the same happens to others. You are told once.\r\n"
    )
    return text.encode(errors="replace")
