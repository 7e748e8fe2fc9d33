"""All that an owner's rules do at a delivery: decided, and what is sent stored, before the append that records it."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from domain.automatic_mail import MAX_PER_MAIL, AutomaticMail
from domain.decisions.delivery import SPAM
from domain.ids import MailboxId
from gateways.authentication.dkim_keys import DkimKey
from gateways.blobs import Blobs, mail_blob_name
from gateways.delivery.filtered import NOTHING_NOTED, Filtered
from gateways.delivery.incoming import clean
from gateways.delivery.opened import OpenedMail
from gateways.delivery.own_mail import derived_id
from gateways.delivery.placing import placement
from gateways.delivery.quota_notice import SOURCE as NOTICE
from gateways.filtering.deciding import decided, placed
from gateways.filtering.forwarded import Forwarding, forwarded, is_loop, sealing_key
from gateways.filtering.noted import Noted
from gateways.filtering.notice import RuleNotices
from gateways.filtering.outgoing import Outgoing
from gateways.filtering.owner_rules import OwnerRules, RuleBook
from gateways.filtering.rejection import rejection
from gateways.filtering.reply import reply
from gateways.mime.encode_header import CompositionError, text_field
from gateways.mime.holes import storable
from gateways.queue import Queue, QueueRecord
from gateways.sieve.message import Mailbox, MailEnvelope, Message
from gateways.sieve.outcome import Outcome


class Filters:
    """Runs the rules. Any number of workers side by side."""

    def __init__(
        self,
        *,
        book: RuleBook,
        queue: Queue,
        blobs: Blobs,
        hostname: str,
        forwarding: Forwarding | None,
        clock_ms: Callable[[], int],
    ) -> None:
        self._book = book
        self._queue = queue
        self._blobs = blobs
        self._hostname = hostname
        self._forwarding = forwarding
        self._notices = RuleNotices(queue=queue, blobs=blobs, hostname=hostname, clock_ms=clock_ms)

    def rules_of(self, mailbox_ids: Collection[MailboxId]) -> Mapping[MailboxId, OwnerRules]:
        """The rules of those of these mailboxes that have any."""
        return self._book.rules_of(mailbox_ids) if mailbox_ids else {}

    def filtered(
        self,
        record: QueueRecord,
        mail: OpenedMail,
        *,
        mailbox_id: MailboxId,
        recipients: Sequence[int],
        rules: OwnerRules | None,
        own: bool | None = None,
    ) -> Filtered:
        """What they come to for a record; what is to be sent is stored, the owner told where they fail.

        What screening or the owner's own filter puts into SPAM no rule sees: nothing of it is answered or forwarded.
        Nor what this server itself tells the owner. Safe to repeat.

        Raises: QueueUnavailableError, StorageFullError, OSError.
        """
        envelope = record.envelope
        placed = placement(envelope.screening, own)
        if rules is None or SPAM in placed.labels or envelope.source == NOTICE:
            return Filtered(placement=placed)
        paths = tuple(envelope.recipients[index].forward_path for index in recipients)
        message = Message(
            mail.whole,
            mail.parsed,
            envelope=MailEnvelope(envelope.reverse_path, paths),
            mailbox=Mailbox(rules.addresses, rules.labels),
            size_bytes=mail.content_bytes,
        )
        outcome = decided(rules, message, received_at=envelope.received_at)
        key = sealing_key(rules, self._forwarding) if outcome.redirects and self._forwarding is not None else None
        made, mails = self._made(_Delivery(record, mail, message, rules, outcome, self._forwarding, key), mailbox_id)
        if made.error:
            self._notices.tell(mailbox_id, rules, made.error)
        blobs = {raw: self._stored(record, mailbox_id, raw) for raw in {one.raw for one in mails}}
        return msgspec.structs.replace(made.filtered, automatic=tuple(_automatic(one, blobs[one.raw]) for one in mails))

    @staticmethod
    def _made(delivery: "_Delivery", mailbox_id: MailboxId) -> "tuple[_Made, list[Outgoing]]":
        """What is recorded, and the mails to send; a fault of ours in writing them keeps the message, as one of the
        rules does."""
        try:
            return delivery.made(mailbox_id)
        except Exception as error:  # noqa: BLE001 - rules never hold mail up: told to the owner
            failed = Outcome(error=f"what the rules send cannot be written: {type(error).__name__}")
            return _recorded(failed, is_loop_here=False, added=b""), []

    def _stored(self, record: QueueRecord, mailbox_id: MailboxId, raw: bytes) -> str:
        """The name of the object put, which follows from the delivery and from what it says: a repeat under other rules
        leaves alone what the first one sends."""
        digest = hashlib.sha256(raw).hexdigest()
        name = derived_id(f"automatic:{record.acceptance_id}:{mailbox_id}:{digest}")
        blob, stored = mail_blob_name(name, record.envelope.received_at), storable(raw)
        self._queue.expect(blob, size_bytes=len(stored))
        self._blobs.put(blob, stored)
        return blob


def _automatic(mail: Outgoing, blob: str) -> AutomaticMail:
    return AutomaticMail(
        stream=mail.stream,
        mail_from=mail.mail_from,
        to=mail.to,
        blob=blob,
        size_bytes=len(mail.raw),
        reply_key=mail.reply_key,
        within_ms=mail.within_ms,
        tells_sender=mail.tells_sender,
    )


class _Delivery:
    """One outcome on its way to what is recorded and sent."""

    def __init__(
        self,
        record: QueueRecord,
        mail: OpenedMail,
        message: Message,
        rules: OwnerRules,
        outcome: Outcome,
        forwarding: Forwarding | None,
        key: DkimKey | None,
    ) -> None:
        self._key = key
        self._record = record
        self._mail = mail
        self._message = message
        self._rules = rules
        self._outcome = outcome
        self._forwarding = forwarding

    def made(self, mailbox_id: MailboxId) -> "tuple[_Made, list[Outgoing]]":
        """What is recorded of it, and the mails to send."""
        outcome = self._outcome
        is_loop_here = bool(outcome.redirects) and (self._forwarding is None or is_loop(self._mail.whole, self._rules))
        if is_loop_here:
            outcome.redirects = {}
            outcome.is_kept |= not outcome.is_anywhere
        added = _fields(outcome.added)
        mails = [*self._answers(mailbox_id), *self._copies(added)][:MAX_PER_MAIL]
        return _recorded(outcome, is_loop_here=is_loop_here, added=added), mails

    def _answers(self, mailbox_id: MailboxId) -> list[Outgoing]:
        outcome, envelope = self._outcome, self._record.envelope
        name = derived_id(f"answer:{self._record.acceptance_id}:{mailbox_id}")
        message_id = f"{name}@{envelope.hostname}"
        found: list[Outgoing | None] = []
        if outcome.vacation is not None:
            found.append(reply(outcome.vacation, self._rules, self._message, envelope, message_id=message_id))
        if outcome.rejected is not None:
            found.append(rejection(outcome.rejected, self._rules, self._message, envelope, message_id=message_id))
        return [mail for mail in found if mail is not None]

    def _copies(self, added: bytes) -> list[Outgoing]:
        if self._forwarding is None or not self._outcome.redirects:
            return []
        return forwarded(
            self._outcome.redirects,
            self._mail.whole,
            envelope=self._record.envelope,
            path=self._message.envelope.recipients[0],
            forwarding=self._forwarding,
            key=self._key,
            added=added,
            tells_sender=not self._outcome.is_anywhere,
        )


class _Made(msgspec.Struct, frozen=True):
    """What is recorded of an outcome, and its error."""

    filtered: Filtered
    error: str


def _recorded(outcome: Outcome, *, is_loop_here: bool, added: bytes) -> _Made:
    noted = Noted(
        discarded=outcome.is_discarded and not outcome.is_anywhere,
        rejected=clean(outcome.rejected or ""),
        forwarded=tuple(outcome.redirects),
        loop=is_loop_here,
        error=clean(outcome.error),
    )
    filtered = Filtered(
        placement=placed(outcome),
        new_labels=tuple(outcome.created),
        added=added,
        noted=NOTHING_NOTED if noted == Noted() else msgspec.Raw(msgspec.json.encode(noted)),
    )
    return _Made(filtered, noted.error)


def _fields(added: Sequence[tuple[str, str]]) -> bytes:
    """Header fields, each with its line end; one that cannot be written is left out."""
    found = b""
    for name, value in added:
        try:
            found += text_field("-".join(part.capitalize() for part in name.split("-")), value).encode(errors="replace")
        except CompositionError:
            continue
    return found
