"""The automatic reply that a message gets (RFC 5230, RFC 3834 section 3)."""

import re
from email.utils import parseaddr

from domain.automatic_mail import VACATION, reply_key
from gateways.envelope import Envelope
from gateways.filtering.answerable import addressed, canonical, may_be_answered
from gateways.filtering.outgoing import Outgoing
from gateways.filtering.owner_rules import OwnerRules
from gateways.mime.compose import Composition, CompositionError, compose
from gateways.mime.structure import Address
from gateways.sieve.message import Message
from gateways.sieve.nodes import Vacation

MAX_REASON_CHARS = 60_000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_MIME_HEADER = re.compile(r"(?:content-[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+\n", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n?")
_MIME_VERSION = b"MIME-Version: 1.0\r\n"


def reply(
    vacation: Vacation, rules: OwnerRules, message: Message, envelope: Envelope, *, message_id: str
) -> Outgoing | None:
    """The reply, from the null reverse-path; none where the sender is not to be answered, or not for this message.

    Whoever is to be answered must have written to the owner by one of his addresses, or of those that he says are his.
    """
    also = [name for address in vacation.addresses if (name := canonical(address))]
    written_to = addressed(message, (*rules.addresses, *also))
    if not written_to or not may_be_answered(message, envelope):
        return None
    try:
        raw = compose(_composition(vacation, rules, message, envelope, message_id=message_id, written_to=written_to))
    except CompositionError:  # a reverse-path that can stand in no header
        return None
    handle = vacation.handle or f"{vacation.subject}\0{vacation.from_}\0{vacation.mime}\0{vacation.reason}"
    return Outgoing(
        stream=VACATION,
        mail_from="",
        to=envelope.reverse_path,
        raw=_as_mime(raw, vacation.reason) if vacation.mime else raw,
        reply_key=reply_key(envelope.reverse_path, handle),
        within_ms=vacation.seconds * 1000,
    )


def _composition(
    vacation: Vacation, rules: OwnerRules, message: Message, envelope: Envelope, *, message_id: str, written_to: str
) -> Composition:
    summary = message.parsed.summary
    about = summary.message_id
    return Composition(
        from_=(_from(vacation, rules, written_to),),
        to=(Address("", envelope.reverse_path),),
        subject=_line(vacation.subject or f"Auto: {summary.subject}")[:500],
        text="" if vacation.mime else vacation.reason[:MAX_REASON_CHARS],
        message_id=message_id,
        date_ms=envelope.received_at,
        in_reply_to=(about,) if about and _is_plain(about) else (),
        references=tuple(one for one in (*summary.references[-20:], about or "") if _is_plain(one)),
        headers=(("Auto-Submitted", "auto-replied"), ("Precedence", "bulk"), ("X-Auto-Response-Suppress", "All")),
    )


def _from(vacation: Vacation, rules: OwnerRules, written_to: str) -> Address:
    """Who the reply is from: as the script says, if that is one of the owner's addresses, else as he was written to."""
    name, address = parseaddr(vacation.from_)
    if address and canonical(address) in rules.addresses:
        return Address(_line(name), address)
    own = written_to if written_to in rules.addresses else rules.address
    return Address(_line(rules.name), own)


def _as_mime(raw: bytes, reason: str) -> bytes:
    """The reply with a body that its owner wrote as a MIME entity; what has no header of one is plain text."""
    text = _LINE_END.sub("\n", reason[:MAX_REASON_CHARS]).replace("\0", "\ufffd")
    if not _MIME_HEADER.match(text):
        text = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}"
    head = raw.partition(_MIME_VERSION)[0]
    return head + _MIME_VERSION + text.replace("\n", "\r\n").encode(errors="replace")


def _line(text: str) -> str:
    return _CONTROLS.sub(" ", text).strip()


def _is_plain(message_id: str) -> bool:
    return bool(re.fullmatch(r"[!-;=?-~]{1,900}", message_id))
