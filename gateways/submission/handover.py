"""A message is handed over: looked at, completed, stored, and queued for sending in one append."""

from collections.abc import Callable, Iterable
from typing import Protocol

from domain.addresses import AddressInvalidError, EmailAddress
from domain.decisions import SubmitWritten
from domain.events import SubmissionRecipient, Who
from domain.ids import MailboxId, new_id
from domain.sent_copies import copy_id
from domain.threading import ref
from gateways.accounts import AccountSuspendedError, Principal
from gateways.appending import Appender
from gateways.blobs import Blobs, mail_blob_name
from gateways.described_mail import Touch, stored_mail
from gateways.directory import Directory
from gateways.envelope import Envelope, Recipient
from gateways.mime.header_fields import MAX_FIELDS, Fields, body_offset, fields_of
from gateways.mime.parse import parse
from gateways.mime.structure import MAX_HEADER_BYTES
from gateways.submission.authors import require_own_author
from gateways.submission.completing import completed
from gateways.submission.replies import HEADER_TOO_LARGE, SIGN_IN_AGAIN, SubmissionRefusedError

PROTOCOL = "submission"


class Handing(Protocol):
    """Takes messages of those who signed in. Calls block and come from many threads at once."""

    def owns(self, principal: Principal, address: EmailAddress) -> bool:
        """Whether mail to the address reaches the one who signed in: the own one, with any tag, or an alias."""
        ...

    def submit(self, principal: Principal, envelope: Envelope, raw: bytes, *, send_at_ms: int) -> None:
        """Queue the message, which leaves at `send_at_ms`; durable on return. Safe to repeat.

        Raises: SubmissionRefusedError, DomainRefusal, StorageFullError, MailAlteredError.
        """
        ...


class Handover:
    """The port `Handing`. The limits are messages in any minute and any day.

    `is_open` says whether the owner of a mailbox is still let in, `still_speaks` whether what somebody signed in with
    opens it still: a connection may outlive both.
    """

    def __init__(
        self,
        *,
        appender: Appender,
        blobs: Blobs,
        directory: Directory,
        touch: Touch,
        is_open: Callable[[MailboxId], bool],
        still_speaks: Callable[[Principal], bool],
        per_minute: int,
        per_day: int,
        volume_from: int = 0,
    ) -> None:
        self._appender = appender
        self._blobs = blobs
        self._directory = directory
        self._touch = touch
        self._is_open = is_open
        self._still_speaks = still_speaks
        self._per_minute = per_minute
        self._per_day = per_day
        self._volume_from = volume_from

    def owns(self, principal: Principal, address: EmailAddress) -> bool:
        """See `Handing.owns`."""
        if is_own(principal, address):
            return True
        entry = self._directory.find(address.canonical)
        return entry is not None and entry.mailbox_id == principal.mailbox_id

    def submit(self, principal: Principal, envelope: Envelope, raw: bytes, *, send_at_ms: int) -> None:
        """See `Handing.submit`."""
        if not self._is_open(principal.mailbox_id):
            raise AccountSuspendedError("the account is suspended")
        if not self._still_speaks(principal):
            raise SubmissionRefusedError(SIGN_IN_AGAIN)
        fields = _fields(raw)
        require_own_author(fields, lambda address: self.owns(principal, address))
        whole = completed(raw, fields, envelope, send_at_ms=send_at_ms)
        parsed = parse(whole)
        blob = mail_blob_name(_object_id(principal, envelope, parsed.summary.message_id), envelope.received_at)
        message = stored_mail(
            self._blobs, whole, parsed, blob=blob, received_at=envelope.received_at, touch=self._touch
        )
        self._appender.run(
            SubmitWritten(
                mailbox_id=principal.mailbox_id,
                command_id=f"submit:{envelope.acceptance_id}",
                who=Who(actor="owner", client=envelope.helo, protocol=PROTOCOL, address=envelope.peer),
                message=message,
                mail_from=envelope.reverse_path,
                recipients=_recipients(envelope.recipients),
                send_at_ms=send_at_ms,
                undo_until_ms=send_at_ms,
                stream="personal",
                per_minute=self._per_minute,
                per_day=self._per_day,
                volume_from=self._volume_from,
                ret=envelope.ret,
                envid=envelope.envid,
            )
        )


def is_own(principal: Principal, address: EmailAddress) -> bool:
    """Whether it is the address of who signed in, with any tag; nothing is asked for it."""
    try:
        return EmailAddress.parse(principal.address).canonical == address.canonical
    except AddressInvalidError:
        return False


def _fields(raw: bytes) -> Fields:
    """Of the whole header: what is read of it is all that there is. Raises: SubmissionRefusedError."""
    body_start = body_offset(raw, 0, len(raw))
    if body_start > MAX_HEADER_BYTES:
        raise SubmissionRefusedError(HEADER_TOO_LARGE)
    fields = fields_of(raw, 0, body_start)
    if sum(map(len, fields.values())) >= MAX_FIELDS:
        raise SubmissionRefusedError(HEADER_TOO_LARGE)
    return fields


def _object_id(principal: Principal, envelope: Envelope, message_id: str | None) -> str:
    own_ref = ref(message_id or "")
    if not own_ref:
        return new_id("a")
    return copy_id(principal.mailbox_id, own_ref, envelope.content_sha256, envelope.acceptance_id)


def _recipients(asked: Iterable[Recipient]) -> tuple[SubmissionRecipient, ...]:
    """Each address once, with what was first said of it."""
    found: dict[str, SubmissionRecipient] = {}
    for one in asked:
        found.setdefault(
            one.forward_path.lower(), SubmissionRecipient(one.forward_path, notify=one.notify, orcpt=one.orcpt)
        )
    return tuple(found.values())
