"""Drafts, submissions, contacts, identities, rules and profile in the API's shapes."""

from dataclasses import asdict
from typing import Any

import msgspec

from domain.mailbox_state.fold_quota import level_passed
from domain.mailbox_state.mailbox import Document, Mailbox
from domain.times import rfc3339


def draft_list(mailbox: Mailbox) -> list[dict[str, Any]]:
    """Live drafts, last changed first."""
    live = [draft for draft in mailbox.drafts.values() if draft.destroyed_seq is None]
    live.sort(key=lambda draft: (draft.changed_seq, draft.id), reverse=True)
    return [
        {"id": draft.id, "revision": draft.revision, "message_id": draft.message_id, "seq": draft.changed_seq}
        for draft in live
    ]


def submission_list(mailbox: Mailbox) -> list[dict[str, Any]]:
    """Submissions, newest first."""
    newest_first = sorted(mailbox.submissions.values(), key=lambda one: (one.queued_at, one.id), reverse=True)
    return [
        {
            "id": submission.id,
            "message_id": submission.message_id,
            "draft_id": submission.draft_id,
            "status": submission.status,
            "recipients": [asdict(recipient) for recipient in submission.recipients],
            "queued_at": rfc3339(submission.queued_at),
            "send_at": rfc3339(submission.send_at),
            "undo_until": rfc3339(submission.undo_until),
            "stream": submission.stream,
            "seq": submission.changed_seq,
        }
        for submission in newest_first
    ]


def document_list(mailbox: Mailbox, kind: str) -> list[dict[str, Any]]:
    """Live documents of a kind with their ids, by name ignoring case."""
    shown = [
        {"id": document_id, **msgspec.json.decode(document.body), "seq": document.changed_seq}
        for (one, document_id), document in mailbox.documents.items()
        if one == kind and document.destroyed_seq is None
    ]
    return sorted(shown, key=lambda document: (document["name"].casefold(), document["id"]))


def single_document(mailbox: Mailbox, kind: str) -> Any:
    """The one document of a kind, null where it was never set."""
    document: Document | None = mailbox.documents.get((kind, ""))
    return None if document is None else msgspec.json.decode(document.body)


def quota(mailbox: Mailbox) -> dict[str, Any]:
    """Used and allowed bytes and the state: ok, warn80, warn90, warn95, read_only."""
    used, limit = mailbox.used_bytes, mailbox.quota_bytes
    return {"used_bytes": used, "limit_bytes": limit, "state": _quota_state(used, limit)}


def _quota_state(used_bytes: int, limit_bytes: int) -> str:
    if used_bytes >= limit_bytes:
        return "read_only"
    level = level_passed(used_bytes, limit_bytes)
    return f"warn{level}" if level else "ok"
