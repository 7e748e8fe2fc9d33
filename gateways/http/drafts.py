"""Drafts: each save is a revision, made on the one that the client knows."""

import re
from typing import Any

import msgspec

from domain.commands import Outcome
from domain.decisions import Composed, DiscardDraft
from domain.ids import DraftId, MessageId
from domain.refusals import DraftChangedError, DraftUnknownError
from domain.rows import DraftRow
from domain.times import rfc3339
from gateways.http.composed_commands import SaveDraftOnce
from gateways.http.composing import composed_anew, composed_on, now_ms
from gateways.http.idempotency import first_answer, require_same
from gateways.http.message_shown import OpenQuery, shown_attachment
from gateways.http.operations import Answer, Call, Operation, PagedRead, Reached, as_json
from gateways.http.problems import ProblemError
from gateways.http.shapes import AttachmentShown, MessageSummary
from gateways.http.short_lists import page_of
from gateways.http.stored_mail import StoredMail, open_mail
from gateways.http.wording import DraftFields, Person, people, wording_of
from gateways.mime import show

_REVISION = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')


class DraftSaved(msgspec.Struct):
    """The draft, its revision, and the seq reached."""

    id: str
    revision: int
    seq: int


class DraftRead(msgspec.Struct, kw_only=True):
    """A draft. `in_reply_to` is the Message-ID answered.

    `html` is to be shown: sanitised, loading nothing remote but with `remote=true`; `cid:` addresses stay.
    `html_source` is what was written, to be edited as text and given back: no page may take it for its own.
    """

    id: str
    revision: int
    message_id: str
    thread_id: str
    seq: int
    updated_at: str
    to: list[Person]
    cc: list[Person]
    bcc: list[Person]
    subject: str
    text: str | None
    html: str | None
    html_source: str | None
    blocked_remote: bool
    in_reply_to: str | None
    attachments: list[AttachmentShown]


class DraftListed(msgspec.Struct):
    """A draft in a list."""

    id: str
    revision: int
    message_id: str
    seq: int
    message: MessageSummary


class DraftList(msgspec.Struct):
    """A page of drafts, the last saved first."""

    drafts: list[DraftListed]
    cursor: str | None


def list_drafts(call: Call[PagedRead, None]) -> Answer:
    """Each with the summary of its message."""
    rows = call.parts.records.drafts(call.mailbox_id)
    shown, cursor = page_of(rows, call.query, list_name="drafts", order=lambda row: (-row.changed_seq, row.draft_id))
    summaries = call.parts.lists.summaries(call.mailbox_id, [row.message_id for row in shown])
    listed = [
        {
            "id": row.draft_id,
            "revision": row.revision,
            "message_id": row.message_id,
            "seq": row.changed_seq,
            "message": msgspec.Raw(summaries[row.message_id]),
        }
        for row in shown
        if row.message_id in summaries
    ]
    return as_json({"drafts": listed, "cursor": cursor})


def read_draft(call: Call[OpenQuery, None]) -> Answer:
    """What it says, to go on writing."""
    row, mail = standing(call)
    return as_json(shown_draft(call, row, mail, remote=call.query.remote), headers=((b"etag", b'"%d"' % row.revision),))


def create(call: Call[None, DraftFields]) -> Answer:
    """A new draft."""
    outcome = first_answer(call)
    if outcome is None:
        composed = composed_anew(call, call.body, date_ms=now_ms())
        outcome = call.run(_saving(call, composed, None, None))
        require_same(call, outcome)
    return _saved(outcome, status=201)


def change(call: Call[None, DraftFields]) -> Answer:
    """The next revision; what is not given stays. The newer draft is handed back where there is one already."""
    revision = _if_match(call)
    try:
        row, mail = standing(call)
        if revision not in (None, row.revision):
            raise DraftChangedError(row.revision, row.message_id)
        composed = composed_on(call, call.body, wording_of(mail), mail)
        return _saved(call.run(_saving(call, composed, row.draft_id, row.revision)))
    except DraftChangedError as changed:
        newer = msgspec.to_builtins(shown_draft(call, *standing(call), remote=False))
        raise ProblemError(
            "draft_changed", changed.detail, revision=changed.revision, message_id=changed.message_id, draft=newer
        ) from None


def discard(call: Call[None, None]) -> Answer:
    """The draft goes, and its message for good."""
    draft_id = DraftId(call.path["draft_id"])
    return call.written(
        DiscardDraft(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, draft_id=draft_id)
    )


def standing(call: Call[Any, Any]) -> tuple[DraftRow, StoredMail]:
    """The draft of the path, and its message. Raises: DraftUnknownError."""
    row = call.parts.records.draft(call.mailbox_id, DraftId(call.path["draft_id"]))
    if row is None:
        raise DraftUnknownError("no such draft")
    return row, open_mail(call.parts, call.mailbox_id, MessageId(row.message_id))


def shown_draft(call: Call[Any, Any], row: DraftRow, mail: StoredMail, *, remote: bool) -> dict[str, Any]:
    """A draft as JSON; `remote` is the reader's consent to load images from elsewhere."""
    wording = wording_of(mail)
    body = show.body(mail.raw, mail.parsed, remote=remote, cid_url=lambda one: f"cid:{one.content_id}")
    attachments = [shown_attachment(call, row.message_id, one) for one in mail.parsed.attachments]
    return {
        "id": row.draft_id,
        "revision": row.revision,
        "message_id": row.message_id,
        "thread_id": mail.row.thread_id,
        "seq": row.changed_seq,
        "updated_at": rfc3339(mail.row.received_at),
        "to": people(wording.to),
        "cc": people(wording.cc),
        "bcc": people(wording.bcc),
        "subject": wording.subject,
        "text": wording.text,
        "html": None if wording.html is None or body.html is None else body.html.removesuffix("\n"),
        "html_source": wording.html,
        "blocked_remote": wording.html is not None and body.blocked_remote,
        "in_reply_to": next(iter(wording.in_reply_to), None),
        "attachments": attachments,
    }


def _saving(
    call: Call[Any, Any], composed: Composed, draft_id: DraftId | None, if_revision: int | None
) -> SaveDraftOnce:
    return SaveDraftOnce(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        draft_id=draft_id,
        if_revision=if_revision,
        request=call.digest.hex(),
        **{name: getattr(composed, name) for name in Composed.__struct_fields__},
    )


def _saved(outcome: Outcome, *, status: int = 200) -> Answer:
    answer = outcome.answer
    saved = DraftSaved(answer["draft_id"], answer["revision"], outcome.seq)
    return as_json(saved, status=status, headers=((b"etag", b'"%d"' % saved.revision),))


def _if_match(call: Call[Any, Any]) -> int | None:
    """The revision that the client goes on from; None for `*`, whatever stands (RFC 9110 section 13.1.1)."""
    given = call.if_match
    if given is None:
        raise ProblemError("revision_required")
    if given.strip() == "*":
        return None
    found = _REVISION.fullmatch(given.strip())
    if found is None:
        raise ProblemError("parameter_invalid", "If-Match is a revision")
    return int(found[1])


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/drafts",
        summary="Drafts, the last saved first",
        run=list_drafts,
        query=PagedRead,
        answers={200: DraftList},
        errors=("cursor_invalid",),
        tag="writing",
    ),
    Operation(
        method="POST",
        path="/v1/drafts",
        summary="Begin a draft",
        run=create,
        body=DraftFields,
        answers={201: DraftSaved},
        errors=(
            "composition_invalid",
            "message_unknown",
            "attachment_unknown",
            "upload_incomplete",
            "attachments_too_large",
            "identity_unknown",
        ),
        large=True,
        tag="writing",
    ),
    Operation(
        method="GET",
        path="/v1/drafts/{draft_id}",
        summary="A draft, to go on writing",
        run=read_draft,
        query=OpenQuery,
        answers={200: DraftRead},
        errors=("draft_unknown", "body_unavailable"),
        unknown="draft_unknown",
        large=True,
        tag="writing",
    ),
    Operation(
        method="PATCH",
        path="/v1/drafts/{draft_id}",
        summary="Save the next revision",
        run=change,
        body=DraftFields,
        answers={200: DraftSaved},
        errors=(
            "draft_unknown",
            "draft_changed",
            "revision_required",
            "composition_invalid",
            "message_unknown",
            "attachment_unknown",
            "upload_incomplete",
            "attachments_too_large",
            "identity_unknown",
        ),
        unknown="draft_unknown",
        large=True,
        tag="writing",
    ),
    Operation(
        method="DELETE",
        path="/v1/drafts/{draft_id}",
        summary="Throw a draft away",
        run=discard,
        answers={200: Reached},
        errors=("draft_unknown",),
        unknown="draft_unknown",
        tag="writing",
    ),
)
