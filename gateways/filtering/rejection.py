"""What the sender of a message is told that its receiver's rules refuse (RFC 5429 section 2.1.2).

Our 250 has been said, so it is a disposition notification (RFC 8098) from the null reverse-path; never to lists,
machines or a null reverse-path, so that no loop can begin.
"""

from email.utils import formatdate

from domain.automatic_mail import REJECTION
from gateways.delivery.own_mail import one_line
from gateways.envelope import Envelope
from gateways.filtering.answerable import may_be_answered
from gateways.filtering.outgoing import Outgoing
from gateways.filtering.owner_rules import OwnerRules
from gateways.mime.encode_body import text_entity
from gateways.sieve.message import Message

MAX_REASON_CHARS = 20_000


def rejection(
    reason: str, rules: OwnerRules, message: Message, envelope: Envelope, *, message_id: str
) -> Outgoing | None:
    """The notification; none where the sender is not to be told."""
    if not may_be_answered(message, envelope):
        return None
    raw = _written(reason, rules, message, envelope, message_id)
    return Outgoing(stream=REJECTION, mail_from="", to=envelope.reverse_path, raw=raw)


def _written(reason: str, rules: OwnerRules, message: Message, envelope: Envelope, message_id: str) -> bytes:
    boundary = f"=_{message_id.partition('@')[0]}"
    about = message.parsed.summary.message_id or ""
    plain = about if about.isascii() and about.isprintable() else ""
    original = f"In-Reply-To: <{plain}>\r\nReferences: <{plain}>\r\n" if plain else ""
    kind = "rfc822" if rules.address.isascii() else "utf-8"
    text = text_entity("plain", f"Your message was not accepted by {rules.address}:\n\n{reason[:MAX_REASON_CHARS]}\n")
    head = (
        f"From: <{one_line(rules.address)}>\r\nTo: <{one_line(envelope.reverse_path)}>\r\n"
        f"Subject: Your message was not accepted\r\nDate: {formatdate(envelope.received_at / 1000)}\r\n"
        f"Message-ID: <{message_id}>\r\n{original}Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=disposition-notification;\r\n"
        f'\tboundary="{boundary}"\r\n\r\n--{boundary}\r\n'
    )
    told = (
        f"\r\n--{boundary}\r\nContent-Type: message/disposition-notification\r\n\r\n"
        f"Reporting-UA: {envelope.hostname}; ledgermail\r\n"
        f"Final-Recipient: {kind}; {one_line(rules.address)}\r\n"
        f"{f'Original-Message-ID: <{plain}>{chr(13)}{chr(10)}' if plain else ''}"
        "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n"
        f"\r\n--{boundary}--\r\n"
    )
    return head.encode(errors="replace") + text.header + b"\r\n" + text.body + told.encode(errors="replace")
