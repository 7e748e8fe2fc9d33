"""An event in words: who did what to the mailbox, for an operator or its owner to read."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from domain import events as e
from domain.events import Event, RecordedEvent, Who
from domain.ids import LabelId
from domain.times import rfc3339

MAX_SUBJECT_CHARS = 100
MAX_SHOWN_IDS = 3


class EventLine(msgspec.Struct, frozen=True):
    """One event to be read: its place, its time, who, what, and how it came in."""

    seq: int
    at: str
    who: str
    what: str
    how: str

    def __str__(self) -> str:
        """`12  2026-11-22T05:00:00.000Z  bob  read e1  (web, http, from 192.0.2.1)`."""
        return f"{self.seq:>8}  {self.at}  {self.who}  {self.what}{f'  ({self.how})' if self.how else ''}"


class EventWords:
    """Puts one stream into words, from its first event on: it remembers what labels are called."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._labels: dict[str, tuple[str, str | None]] = {}  # id → leaf name, parent

    def line(self, recorded: RecordedEvent) -> EventLine:
        """The event's line; what its keys were destroyed for is redacted."""
        event = recorded.event
        what = f"{recorded.topic} [redacted]" if event is None else self._what(event, recorded.redacted)
        return EventLine(
            recorded.seq, rfc3339(recorded.recorded_at), self._actor(recorded.who), _one_line(what), _how(recorded.who)
        )

    def learn(self, recorded: RecordedEvent) -> None:
        """Note what an event that is not shown says of labels."""
        if isinstance(event := recorded.event, e.LabelCreated | e.LabelChanged):
            self._labels[event.label_id] = (event.name, event.parent_id)

    def _actor(self, who: Who) -> str:
        return self._owner if who.actor in ("owner", "user") else who.actor or "system"

    def _what(self, event: Event, redacted: bool) -> str:
        if isinstance(event, e.LabelCreated | e.LabelChanged):
            self._labels[event.label_id] = (event.name, event.parent_id)
        tell = _TELLING.get(type(event))
        told = tell(self, event) if tell is not None else _plain(event)
        return f"{told} [redacted]" if redacted else told

    def names(self, label_ids: tuple[LabelId, ...]) -> str:
        """Labels by their paths."""
        return ", ".join(map(self._path, label_ids))

    def _path(self, label_id: str) -> str:
        names: dict[str, str] = {}
        above: str | None = label_id
        while above is not None and above in self._labels and above not in names:
            name, parent = self._labels[above]
            names[above] = name
            above = parent
        return "/".join(reversed(names.values())) or label_id

    def delivered(self, event: e.MessageDelivered) -> str:
        """`delivered "Subject" from bob@example.org into INBOX`."""
        verb = {"inbound": "delivered", "sent": "wrote", "draft": "drafted", "import": "imported"}
        personal = event.personal if isinstance(event.personal, e.MessagePersonal) else None
        about = f'"{personal.subject[:MAX_SUBJECT_CHARS]}"' if personal else f"message {event.id}"
        from_ = f" from {_addresses(personal.from_)}" if personal and personal.from_ else ""
        to = f" to {_addresses(personal.to)}" if personal and personal.to and event.source in ("sent", "draft") else ""
        words = f" as {', '.join(event.keywords)}" if event.keywords else ""
        return f"{verb.get(event.source, event.source)} {about}{from_}{to} into {self.names(event.labels)}{words}"

    def relabelled(self, event: e.LabelsChanged) -> str:
        """`moved e1 from INBOX to ARCHIVE`."""
        out = f" from {self.names(event.removed)}" if event.removed else ""
        into = f" into {self.names(event.added)}" if event.added else ""
        return f"moved {_ids(event.message_ids)}{out}{into}"


def _keywords(_words: EventWords, event: e.KeywordsChanged) -> str:
    named = [f"+{word}" for word in event.added] + [f"-{word}" for word in event.removed]
    return f"marked {_ids(event.message_ids)} {' '.join(named)}"


_BY_ITSELF = {"vacation": "answered", "forward": "forwarded", "rejection": "rejected"}
"""What a mailbox did with a message that came, by the stream of what it sent."""


def _submission(_words: EventWords, event: e.SubmissionQueued) -> str:
    personal = event.personal
    to = f" to {', '.join(one.address for one in personal.recipients[:3])}" if personal else ""
    more = f" and {event.recipient_count - 3} more" if personal and event.recipient_count > 3 else ""
    done = _BY_ITSELF.get(event.stream, "sent")
    return f"{done} {event.message_id}{to}{more} as {event.submission_id}, leaving at {event.send_at}"


def _signed_in(_words: EventWords, event: e.SignedIn) -> str:
    from_ = f" from {event.address}" if event.address else ""
    return f"signed in{from_}" + (f" with {event.client}" if event.client else "")


def _report(_words: EventWords, event: e.RecipientReported) -> str:
    personal = event.personal
    whom = personal.address if personal else f"recipient {event.recipient}"
    reply = f": {personal.last_reply}" if personal and personal.last_reply else ""
    told = "complaint of" if event.feedback == "complaint" else f"{event.status} to"
    return f"{told} {whom}{reply}"


_TELLING: Mapping[type[Event], Callable[[EventWords, Any], str]] = {
    e.MailboxOpened: lambda _w, x: f"opened the mailbox {x.address}",
    e.MailboxRestored: lambda _w, x: f"restored the mailbox, new UIDVALIDITY for {len(x.uid_validity)} labels",
    e.MailboxErased: lambda _w, x: f"erased the mailbox: {x.why}",
    e.MessageDelivered: EventWords.delivered,
    e.LabelsChanged: EventWords.relabelled,
    e.KeywordsChanged: _keywords,
    e.LabelCreated: lambda w, x: f"made the label {w.names((x.label_id,))}",
    e.LabelChanged: lambda w, x: f"changed the label {w.names((x.label_id,))}",
    e.LabelDeleted: lambda w, x: f"deleted the label {w.names((x.label_id,))}",
    e.MessagesDeleted: lambda _w, x: f"deleted {_ids(x.message_ids)} for good ({x.why})",
    e.MessagesSnoozed: lambda _w, x: f"snoozed {_ids(x.message_ids)} until {x.until}",
    e.SnoozeEnded: lambda _w, x: f"ended the snooze of {_ids(x.message_ids)}",
    e.SpamReported: lambda _w, x: f"reported {_ids(x.message_ids)} as spam",
    e.SpamCleared: lambda _w, x: f"reported {_ids(x.message_ids)} as no spam",
    e.ThreadsJoined: lambda _w, x: f"joined conversation {x.from_} to {x.into}, {len(x.message_ids)} messages",
    e.DraftSaved: lambda _w, x: f"saved revision {x.revision} of draft {x.draft_id}",
    e.DraftDiscarded: lambda _w, x: f"{'sent' if x.sent else 'discarded'} draft {x.draft_id}",
    e.SubmissionQueued: _submission,
    e.SubmissionUndone: lambda _w, x: f"called {x.submission_id} back",
    e.SubmissionRejected: lambda _w, x: f"{x.submission_id} was rejected: {x.reason}",
    e.RecipientReported: _report,
    e.AddressSuppressed: lambda _w, x: f"put {x.address} on the suppression list ({x.why})",
    e.RecipientUnsubscribed: lambda _w, x: f"{x.address} wants no more bulk mail",
    e.SuppressionLifted: lambda _w, x: f"took {x.address} off the suppression list",
    e.SendingRestricted: lambda _w, x: f"{'blocked' if x.blocked else 'halved'} sending: {x.why}",
    e.SenderFlagged: lambda _w, x: f"flagged for the operator: {x.why}",
    e.SignInDemanded: lambda _w, x: f"sending waits for a new sign-in: {x.why}",
    e.SendingAllowed: lambda _w, _x: "allowed sending again",
    e.SignedIn: _signed_in,
    e.PasswordChanged: lambda _w, x: f"password changed by {x.by}",
    e.SecondFactorAdded: lambda _w, _x: "switched a second factor on",
    e.SecondFactorRemoved: lambda _w, x: f"second factor taken off by {x.by}",
    e.RecoveryCodeUsed: lambda _w, x: f"used a recovery code, {x.left} left",
    e.QuotaSet: lambda _w, x: f"set the quota to {x.limit_bytes} bytes",
    e.QuotaWarned: lambda _w, x: f"{x.level} % full: {x.used_bytes} of {x.limit_bytes} bytes",
}


def _plain(event: Event) -> str:
    """What has no words of its own: the type and its plain fields."""
    fields = {
        name: getattr(event, name) for name in event.__struct_fields__ if isinstance(getattr(event, name), str | int)
    }
    return f"{event.TOPIC} " + " ".join(f"{name}={value}" for name, value in fields.items())


def _ids(message_ids: tuple[str, ...]) -> str:
    shown = ", ".join(message_ids[:MAX_SHOWN_IDS])
    more = len(message_ids) - MAX_SHOWN_IDS
    return f"{shown} and {more} more" if more > 0 else shown


def _addresses(found: tuple[e.Mailaddress, ...]) -> str:
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return ", ".join(one.address or one.name for one in found[:2]) + more


def _how(who: Who) -> str:
    from_ = f"from {who.address}" if who.address else ""
    return _one_line(", ".join(filter(None, (who.client, who.protocol, from_))))


def _one_line(text: str) -> str:
    """Without what could end a line or steer a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))
