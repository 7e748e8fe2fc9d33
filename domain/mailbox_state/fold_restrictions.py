"""What the events do that keep a mailbox from sending: to some addresses, or until somebody has seen to it."""

import msgspec

from domain.events import (
    AddressSuppressed,
    RecipientUnsubscribed,
    SenderFlagged,
    SendingAllowed,
    SignedIn,
    SignInDemanded,
    SuppressionLifted,
)
from domain.mailbox_state.fold_documents import write_document
from domain.mailbox_state.mailbox import Mailbox, When


def sender_flagged(mailbox: Mailbox, event: SenderFlagged, when: When) -> None:
    """It stays so until an operator allows sending."""
    _write(mailbox, ("restriction", "flagged"), {"why": event.why, "at": when.recorded_at}, when)


def sign_in_demanded(mailbox: Mailbox, event: SignInDemanded, when: When) -> None:
    """It stays so until the owner signs in."""
    _write(mailbox, ("restriction", "sign_in"), {"why": event.why, "at": when.recorded_at}, when)


def signed_in(mailbox: Mailbox, event: SignedIn, when: When) -> None:
    """A sign-in with the account's password is what may have been demanded."""
    if event.protocol == "http":
        _take_away(mailbox, ("restriction", "sign_in"), when)


def sending_allowed(mailbox: Mailbox, event: SendingAllowed, when: When) -> None:
    """Neither blocked nor halved, nor anything else."""
    mailbox.sending_blocked = mailbox.sending_halved = False
    for what in ("flagged", "sign_in"):
        _take_away(mailbox, ("restriction", what), when)
    _take_away(mailbox, ("sending", "spam"), when)
    if event.counted_from:
        _write(mailbox, ("sending", "counted_from"), {"at": event.counted_from}, when)


def address_suppressed(mailbox: Mailbox, event: AddressSuppressed, when: When) -> None:
    """An entry of the suppression list, made or made anew."""
    _write(mailbox, ("suppression", event.address), {"why": event.why, "at": when.recorded_at}, when)


def suppression_lifted(mailbox: Mailbox, event: SuppressionLifted, when: When) -> None:
    """An entry of the suppression list goes."""
    _take_away(mailbox, ("suppression", event.address), when)


def recipient_unsubscribed(mailbox: Mailbox, event: RecipientUnsubscribed, when: When) -> None:
    """No bulk mail goes there."""
    _write(mailbox, ("unsubscribed", event.address), {"at": when.recorded_at}, when)


def _write(mailbox: Mailbox, key: tuple[str, str], body: dict[str, str | int], when: When) -> None:
    write_document(mailbox, key, body=msgspec.json.encode(body), when=when)


def _take_away(mailbox: Mailbox, key: tuple[str, str], when: When) -> None:
    document = mailbox.documents.get(key)
    if document is not None and document.destroyed_seq is None:
        document.destroyed_seq = document.changed_seq = when.seq
