"""What sending services tell in JSON: Amazon SES's notifications of bounces, complaints and deliveries."""

import re
from typing import Literal

import msgspec

from gateways.bounces.kinds import codes_of, judged, plain
from gateways.bounces.report import Report, Told

MAX_RECIPIENTS = 100
_MAX_CHARS = 64 * 1024
_BROKEN_LINE = re.compile(r"!\s*\n\s?")


class _Recipient(msgspec.Struct, frozen=True, rename="camel"):
    email_address: str = ""
    status: str = ""
    diagnostic_code: str = ""


class _Bounce(msgspec.Struct, frozen=True, rename="camel"):
    bounced_recipients: list[_Recipient] = []


class _Complaint(msgspec.Struct, frozen=True, rename="camel"):
    complained_recipients: list[_Recipient] = []
    complaint_feedback_type: str | None = None


class _Delivery(msgspec.Struct, frozen=True, rename="camel"):
    recipients: list[str] = []
    smtp_response: str = ""


class _Notice(msgspec.Struct, frozen=True, rename="camel"):
    notification_type: Literal["Bounce", "Complaint", "Delivery"]
    bounce: _Bounce = _Bounce()
    complaint: _Complaint = _Complaint()
    delivery: _Delivery = _Delivery()


def notice_in(text: str) -> Report | None:
    """The report that a text holds as JSON; None where it holds none."""
    if '"notificationType"' not in text[:_MAX_CHARS]:
        return None
    begin, end = text.find("{", 0, _MAX_CHARS), text.rfind("}", 0, _MAX_CHARS)
    try:
        notice = msgspec.json.decode(_BROKEN_LINE.sub("", text[begin : end + 1]), type=_Notice)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if notice.notification_type == "Complaint":
        return _complaint(notice.complaint)
    if notice.notification_type == "Delivery":
        said = notice.delivery.smtp_response[:1_000]
        return Report(told=tuple(_delivered(one, said) for one in notice.delivery.recipients[:MAX_RECIPIENTS]))
    return Report(told=tuple(_bounced(one) for one in notice.bounce.bounced_recipients[:MAX_RECIPIENTS]))


def _complaint(complaint: _Complaint) -> Report:
    kind = (complaint.complaint_feedback_type or "abuse").lower()[:40]
    named = complaint.complained_recipients[:MAX_RECIPIENTS]
    told = (
        Told(recipient=one.email_address[:320], action="complained", kind="soft", diagnostic=f"complained: {kind}")
        for one in named
    )
    return Report(told=tuple(told), feedback_type=kind)


def _bounced(one: _Recipient) -> Told:
    said = f"{one.status[:20]} {one.diagnostic_code[:4_000]}"
    codes = codes_of(said)
    return Told(
        recipient=one.email_address[:320],
        action="failed",
        kind=judged(plain(said), codes),
        status=codes.status,
        diagnostic=" ".join(one.diagnostic_code[:4_000].split()),
    )


def _delivered(address: str, said: str) -> Told:
    return Told(recipient=address[:320], action="delivered", kind="soft", status=codes_of(said).status, diagnostic=said)
