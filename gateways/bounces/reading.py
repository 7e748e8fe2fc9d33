"""Reads an arriving report, whatever it is: bounded in size, count and depth, never raising.

First what machines write for machines: a complaint (RFC 5965), a delivery status (RFC 3464), a service's JSON. Then,
where a mail system speaks, the words that are for people (`plain_notice`). What else says that a machine sent it is an
answer (RFC 3834), and not taken for a report whatever its words are.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gateways.bounces import feedback, plain_notice, service_notice, status_fields
from gateways.bounces.reply import is_automatic_reply, is_from_a_machine, is_notice
from gateways.bounces.report import Report, Told
from gateways.bounces.status_fields import address_in
from gateways.mime.addresses import addresses as addresses_in
from gateways.mime.header_fields import Fields, fields_of
from gateways.mime.html_text import html_to_text
from gateways.mime.reading import part_text
from gateways.mime.splitter import split_message
from gateways.mime.structure import HeaderSummary, Part
from gateways.mime.summary import summary_of

MAX_BYTES = 1 << 20
MAX_PARTS = 100
MAX_TEXT_CHARS = 64 * 1024

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_HEADER_TYPES = frozenset(
    {"text/rfc822-headers", "text/rfc822-header", "message/global-headers", "message/rfc822-headers"}
)
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/partial"})
_LOST_STATUS = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(r"^[ \t>]*(return-path|message-id|to)[ \t]*:[ \t]*([^\n]{1,320})", re.IGNORECASE | re.MULTILINE)


class _Quoted(NamedTuple):
    """What a report says of the message that it is about."""

    return_paths: tuple[str, ...] = ()
    message_id: str = ""
    recipients: tuple[str, ...] = ()
    complained: tuple[str, ...] = ()


def read_report(raw: bytes) -> Report:
    """What the message tells; a report of nobody, where it tells nothing that can be understood."""
    data = bytes(raw[:MAX_BYTES])
    structure, fields = split_message(data)
    summary = summary_of(fields, structure.charset)
    leaves = _leaves(structure)
    words = _words(data, leaves)
    quoted = _quoted(data, leaves, words)
    special = _complaint(data, leaves, quoted) or service_notice.notice_in(words)
    if special is not None:
        return special
    told = _statuses(data, leaves, words) or _in_words(fields, summary, words, quoted)
    return Report(told=tuple(told), return_paths=quoted.return_paths, message_id=quoted.message_id)


def _in_words(fields: Fields, summary: HeaderSummary, words: str, quoted: _Quoted) -> list[Told]:
    """What a mail system tells in words, or that a machine answers; nothing of what a person wrote."""
    if not is_automatic_reply(fields, summary.subject):
        speaks = is_notice(fields, summary.subject) or plain_notice.speaks_of_failure(plain_notice.own_words(words))
        if speaks:
            named = _named(fields)
            return plain_notice.told_in(words, subject=summary.subject, named=named, original=quoted.recipients)
        if not is_from_a_machine(fields):
            return []
    sender = summary.from_[0].address if summary.from_ else ""
    return [Told(recipient=sender, action="replied", kind="soft")]


def _leaves(root: Part) -> list[Part]:
    """The parts that are no multipart, not looking into messages; a multipart whose boundary was lost is one."""
    found: list[Part] = []
    waiting = [root]
    while waiting and len(found) < MAX_PARTS:
        part = waiting.pop()
        if part.content_type.startswith("multipart/") and part.parts:
            waiting.extend(reversed(part.parts))
        else:
            found.append(part)
    return found


def _words(raw: bytes, leaves: Sequence[Part]) -> str:
    texts: list[str] = []
    for part in leaves:
        if part.content_type == "text/html":
            texts.append(html_to_text(part_text(raw, part)[:MAX_TEXT_CHARS]))
        elif part.content_type.startswith(("text/", "multipart/")) and part.content_type not in _HEADER_TYPES:
            texts.append(part_text(raw, part)[:MAX_TEXT_CHARS])
    return "\n".join(texts)[:MAX_TEXT_CHARS]


def _statuses(raw: bytes, leaves: Sequence[Part], words: str) -> list[Told]:
    own = plain_notice.own_words(words)
    told = [
        told
        for part in leaves
        if part.content_type in _STATUS_TYPES
        for told in status_fields.told_by(_status_text(raw, part), words=own)
    ]
    if not told and (lost := _LOST_STATUS.search(words)) is not None:
        told = status_fields.told_by(words[lost.start() :], words="")
    return told[: status_fields.MAX_GROUPS]


def _status_text(raw: bytes, part: Part) -> str:
    """The fields; those in Japanese are written in ISO-2022-JP (RFC 1468) and nowhere declared."""
    if b"\x1b$" in raw[part.body_start : part.body_end]:
        part = msgspec.structs.replace(part, charset="iso-2022-jp")
    return part_text(raw, part)[:MAX_TEXT_CHARS]


def _complaint(raw: bytes, leaves: Sequence[Part], quoted: _Quoted) -> Report | None:
    kind, recipients, senders = "", list(quoted.complained), list[str]()
    part = next((part for part in leaves if part.content_type == "message/feedback-report"), None)
    if part is not None:
        kind, recipients, senders = feedback.feedback_of(part_text(raw, part)[:MAX_TEXT_CHARS])
    elif not recipients:
        return None
    kind = kind or "abuse"
    told = () if kind in feedback.NOT_ABOUT_ABUSE else feedback.complained(recipients or quoted.recipients[:1], kind)
    paths = tuple(dict.fromkeys((*quoted.return_paths, *senders)))
    return Report(told=told, feedback_type=kind, return_paths=paths, message_id=quoted.message_id)


def _quoted(raw: bytes, leaves: Sequence[Part], words: str) -> _Quoted:
    for part in leaves:
        if part.content_type in _MESSAGE_TYPES and part.parts:
            inner = part.parts[0]
            return _of_fields(fields_of(raw, inner.header_start, inner.body_start))
        if part.content_type in _HEADER_TYPES:
            end = min(part.body_end, part.body_start + MAX_TEXT_CHARS)
            return _of_fields(fields_of(raw, part.body_start, end))
    found: dict[str, list[str]] = {}
    for name, value in _QUOTED.findall(words[len(plain_notice.own_words(words)) :])[:100]:
        found.setdefault(name.lower(), []).append(value)
    return _Quoted(
        tuple(address_in(value) for value in found.get("return-path", [])),
        "".join(found.get("message-id", [])[:1]).strip().strip("<>"),
        tuple(one.address for value in found.get("to", [])[:1] for one in addresses_in(value) if one.address),
    )


def _of_fields(fields: Fields) -> _Quoted:
    summary = summary_of(fields, None)
    return _Quoted(
        tuple(address_in(_text(value)) for value in fields.get(b"return-path", [])[:10]),
        summary.message_id or "",
        tuple(one.address for one in summary.to[: feedback.MAX_RECIPIENTS] if one.address),
        tuple(address_in(_text(value)) for value in fields.get(b"x-hmxmroriginalrecipient", [])[:1]),
    )


def _named(fields: Fields) -> list[str]:
    values = fields.get(b"x-failed-recipients", [])[: feedback.MAX_RECIPIENTS]
    return [one.strip() for value in values for one in _text(value).split(",") if "@" in one]


def _text(value: bytes) -> str:
    return " ".join(value[:4_000].decode("utf-8", "replace").split())
