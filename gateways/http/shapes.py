"""The shapes of what is answered, as the description of the contract shows them."""

from typing import Any

import msgspec

from domain.events import AttachmentSummary, Mailaddress
from gateways.filtering.noted import Noted


class MessageSummary(msgspec.Struct, kw_only=True):
    """A message as every list shows it; `seq` is that of its last change."""

    id: str
    thread_id: str
    from_: list[Mailaddress] = msgspec.field(name="from")
    to: list[Mailaddress]
    cc: list[Mailaddress]
    subject: str
    snippet: str
    date: str | None
    received_at: str
    listed_at: str
    size: int
    labels: list[str]
    keywords: list[str]
    has_attachment: bool
    attachments: list[AttachmentSummary]
    seq: int
    redacted: bool = False


class MessagePage(msgspec.Struct):
    """A page of messages, newest `listed_at` first."""

    messages: list[MessageSummary]
    cursor: str | None


class HeaderField(msgspec.Struct):
    """A header field, decoded."""

    name: str
    value: str


class AttachmentShown(msgspec.Struct):
    """An attachment of a message; `url` is signed, good for an hour at least, and needs no token."""

    id: str
    filename: str
    content_type: str
    size: int
    sha256: str
    inline: bool
    content_id: str | None
    url: str


class Authentication(msgspec.Struct):
    """What screening found; null where nobody looked."""

    spf: str | None = None
    dkim: str | None = None
    dmarc: str | None = None
    arc: str | None = None


class MessageOpened(msgspec.Struct, kw_only=True):
    """What opening a message adds to its summary; `attachments` replaces the summary's.

    `spam_score` is from 0 to 1 (0.3 and above is likely spam), null where no filter looked; `spam_reasons` say why.
    """

    headers: list[HeaderField]
    text: str
    html: str | None
    attachments: list[AttachmentShown]
    authentication: Authentication
    spam_score: float | None
    spam_reasons: list[str]
    blocked_remote: bool
    virus_scan: str | None
    """`clean`; `unscreened` where no scanner could look: its attachments are handed out once one finds them clean;
    `released` by an operator; null where nobody was to look."""
    filtered: Noted | None = None
    """What the owner's rules did beyond labels and keywords; null where that was nothing."""


class MessageShown(MessageSummary, kw_only=True):
    """A message, opened."""

    headers: list[HeaderField]
    text: str
    html: str | None
    attachments: list[AttachmentShown]  # type: ignore[assignment]  # more of each than a list shows
    authentication: Authentication
    spam_score: float | None
    spam_reasons: list[str]
    blocked_remote: bool
    virus_scan: str | None
    filtered: Noted | None = None


class Count(msgspec.Struct):
    """Messages of a label, and those of them with neither `$seen` nor `$draft`."""

    total: int
    unread: int


class Label(msgspec.Struct):
    """A label; `name` is the leaf of `path`."""

    id: str
    name: str
    parent_id: str | None
    path: str
    role: str | None
    total: int
    unread: int
    threads: int
    threads_unread: int
    size: int
    seq: int


class LabelList(msgspec.Struct):
    """A page of labels: the system labels first, then by path."""

    labels: list[Label]
    cursor: str | None


class Event(msgspec.Struct):
    """An event in its public form; `data` by `type`, see `/v1/events/schema`."""

    seq: int
    type: str
    at: str
    data: dict[str, Any]
    redacted: bool = False


class SyncAnswer(msgspec.Struct):
    """The events after `since`; pass `next` as the next `since`."""

    since: int
    next: int
    head: int
    more: bool
    next_hash: str
    events: list[Event]


class ChangedMessages(msgspec.Struct):
    """Messages as they are now, and the ids of those that went."""

    changed: list[MessageSummary]
    removed: list[str]


class ChangedLabels(msgspec.Struct):
    """Labels as they are now, and the ids of those that went."""

    changed: list[Label]
    removed: list[str]


class FoldedAnswer(msgspec.Struct):
    """Net changes after `since`; labels come with the page that reaches their change, counts with the last page."""

    since: int
    next: int
    head: int
    more: bool
    next_hash: str
    messages: ChangedMessages
    labels: ChangedLabels | msgspec.UnsetType = msgspec.UNSET
    counts: dict[str, Count] | msgspec.UnsetType = msgspec.UNSET


class Snapshot(msgspec.Struct):
    """A page of the bootstrap; labels and counts on the first one. Sync from `seq` afterwards."""

    seq: int
    messages: list[MessageSummary]
    cursor: str | None
    labels: list[Label] | msgspec.UnsetType = msgspec.UNSET
    counts: dict[str, Count] | msgspec.UnsetType = msgspec.UNSET


class Thread(msgspec.Struct):
    """A conversation in a list: its newest message, how many it has."""

    id: str
    latest_at: str
    total: int
    unread: int
    subject: str
    message: MessageSummary


class ThreadPage(msgspec.Struct):
    """A page of conversations, those with the newest message first."""

    threads: list[Thread]
    cursor: str | None


class ThreadShown(msgspec.Struct):
    """A conversation, oldest message first."""

    id: str
    messages: list[MessageSummary]


class Made(msgspec.Struct):
    """Something new, and the seq that making it reached."""

    id: str
    seq: int


class Health(msgspec.Struct):
    """The process lives."""

    status: str


class Readiness(msgspec.Struct):
    """`ready`, `not ready` (503) or `degraded`: what does not answer, which `failing` names, is not needed."""

    status: str
    failing: list[str]


class Problem(msgspec.Struct):
    """What went wrong (RFC 9457): `code` is stable, `detail` for people, `instance` ends with the request's id."""

    type: str
    title: str
    status: int
    code: str
    detail: str | msgspec.UnsetType = msgspec.UNSET
    instance: str | msgspec.UnsetType = msgspec.UNSET
