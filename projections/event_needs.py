"""The rows that events change: what a rebuild loads before it applies a batch of them."""

from collections.abc import Iterable
from typing import Any

from domain import events as e
from domain.automatic_mail import REPLIED
from domain.ids import LabelId
from domain.rows import Needs, Rows


def needs_of(recorded: Iterable[e.RecordedEvent]) -> Needs:
    """The rows that these events touch, as far as the events themselves tell; `RowsMissingError` names the rest."""
    gathered: dict[str, dict[Any, None]] = {name: {} for name in _FIELDS}
    siblings = False
    for event in recorded:
        if event.event is not None:
            siblings |= isinstance(event.event, _TAKES_AWAY)
            for name, keys in _keys(event.event):
                gathered[name].update(dict.fromkeys(keys))
    fields: dict[str, Any] = {name: tuple(keys) for name, keys in gathered.items()}
    return Needs(siblings=siblings, **fields)


_FIELDS = ("messages", "thread_messages", "threads", "labels", "references", "drafts", "submissions", "documents")
_TAKES_AWAY = (e.LabelsChanged, e.MessagesDeleted, e.SnoozeEnded, e.ThreadsJoined)


def _keys(event: e.Event) -> Iterable[tuple[str, Iterable[Any]]]:
    match event:
        case e.MessageDelivered():
            yield from (("threads", (event.thread_id,)), ("labels", event.labels))
            if isinstance(event.server, e.MessageServer):
                subject = (event.server.subject_ref,) if event.server.subject_ref else ()
                yield "references", (*event.server.refs, *subject)
        case e.ThreadsJoined():
            yield from (("messages", event.message_ids), ("threads", (event.into,)), ("labels", event.uids))
            yield "thread_messages", (event.from_,)
        case e.LabelsChanged():
            yield from (("messages", event.message_ids), ("labels", (*event.added, *event.removed)))
        case e.MailboxRestored():
            yield "labels", event.uid_validity
        case e.DeletionMarked() | e.DeletionUnmarked() | e.LabelChanged() | e.LabelDeleted():
            yield "labels", (event.label_id,)
            yield "messages", getattr(event, "message_ids", ())
        case _:
            yield from _named(event)


def _named(event: e.Event) -> Iterable[tuple[str, Iterable[Any]]]:
    yield "messages", getattr(event, "message_ids", ())
    if isinstance(event, e.MessageReparsed):
        yield "messages", (event.message_id,)
    if (draft_id := getattr(event, "draft_id", None)) is not None:
        yield "drafts", (draft_id,)
    if (submission_id := getattr(event, "submission_id", None)) is not None:
        yield "submissions", (submission_id,)
    documents: dict[type[e.Event], tuple[str, str]] = {
        e.IdentityChanged: ("identity", getattr(event, "identity_id", "")),
        e.ContactChanged: ("contact", getattr(event, "contact_id", "")),
        e.RulesReplaced: ("rules", ""),
        e.VacationSet: ("vacation", ""),
        e.SettingsChanged: ("profile", ""),
        e.MailboxOpened: ("profile", ""),
        e.AddressSuppressed: ("suppression", getattr(event, "address", "")),
        e.SuppressionLifted: ("suppression", getattr(event, "address", "")),
        e.RecipientUnsubscribed: ("unsubscribed", getattr(event, "address", "")),
        e.SenderFlagged: ("restriction", "flagged"),
        e.SignInDemanded: ("restriction", "sign_in"),
        e.SignedIn: ("restriction", "sign_in"),
    }
    if (document := documents.get(type(event))) is not None:
        yield "documents", (document,)
    if isinstance(event, e.SendingAllowed):
        yield "documents", (("restriction", "flagged"), ("restriction", "sign_in"))
        yield "documents", (("sending", "counted_from"), ("sending", "spam"))
    if isinstance(event, e.SubmissionRejected) and event.check:
        yield "documents", (("sending", event.check),)
    if isinstance(event, e.RulesReplaced) and isinstance(event.script, str):
        yield "documents", (("script", ""),)
    if isinstance(event, e.SubmissionQueued) and event.reply_key:
        yield "documents", ((REPLIED, event.reply_key),)


def new_rows_asked(rows: Rows, recorded: Iterable[e.RecordedEvent]) -> None:
    """Note that the rows which these events create cannot be there yet."""
    for event in recorded:
        match event.event:
            case e.MessageDelivered():
                rows.asked.add(("message", event.event.id))
            case e.ThreadsJoined():
                rows.asked.update(("message", fresh) for fresh in event.event.new_ids)
            case e.LabelCreated():
                rows.asked.add(("label", LabelId(event.event.label_id)))
            case e.DraftSaved():
                rows.asked.add(("draft", event.event.draft_id))
            case _:
                pass
