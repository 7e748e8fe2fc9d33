"""Labels and counts in the API's shapes."""

from typing import Any

from domain.events import SYSTEM_LABELS
from domain.mailbox_state.counting import label_counts
from domain.mailbox_state.mailbox import Label, Mailbox


def label_list(mailbox: Mailbox) -> list[dict[str, Any]]:
    """Every live label: the system labels in their order, then by path ignoring case."""
    counts = label_counts(mailbox)
    shown = [
        {
            "id": label.id,
            "name": label.name,
            "parent_id": label.parent_id,
            "path": _path(mailbox, label),
            "role": label.role,
            "total": counts[label.id].total,
            "unread": counts[label.id].unread,
            "threads": counts[label.id].threads,
            "threads_unread": counts[label.id].threads_unread,
            "size": counts[label.id].size,
            "seq": label.seq,
        }
        for label in mailbox.live_labels()
    ]
    return sorted(shown, key=_order)


def _path(mailbox: Mailbox, label: Label) -> str:
    names = [label.name]
    while label.parent_id is not None:
        label = mailbox.labels[label.parent_id]
        names.append(label.name)
    return "/".join(reversed(names))


def _order(shown: dict[str, Any]) -> tuple[int, str, str]:
    known = shown["id"] in SYSTEM_LABELS
    return SYSTEM_LABELS.index(shown["id"]) if known else len(SYSTEM_LABELS), shown["path"].casefold(), shown["id"]


def counts_by_label(mailbox: Mailbox) -> dict[str, dict[str, int]]:
    """Total and unread of every live label."""
    return {shown["id"]: {"total": shown["total"], "unread": shown["unread"]} for shown in label_list(mailbox)}
