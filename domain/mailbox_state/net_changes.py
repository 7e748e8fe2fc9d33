"""What changed after a seq, whatever happened in between: the `fold=true` answer of `/sync`."""

from typing import Any

from domain.mailbox_state.label_list import counts_by_label, label_list
from domain.mailbox_state.lists import summary
from domain.mailbox_state.mailbox import Mailbox


def net_changes(mailbox: Mailbox, since: int) -> dict[str, Any]:
    """Changed first, by (seq, id); removed by (seq of the end, id), what came and went in between among them."""
    return {
        "since": since,
        "next": mailbox.head,
        "head": mailbox.head,
        "more": False,
        "messages": {"changed": _changed_messages(mailbox, since), "removed": _removed_messages(mailbox, since)},
        "labels": {
            "changed": [label for label in label_list(mailbox) if label["seq"] > since],
            "removed": _removed_labels(mailbox, since),
        },
        "counts": counts_by_label(mailbox),
    }


def _changed_messages(mailbox: Mailbox, since: int) -> list[dict[str, Any]]:
    changed = [message for message in mailbox.live_messages() if message.changed_seq > since]
    return [summary(message) for message in sorted(changed, key=lambda message: (message.changed_seq, message.id))]


def _removed_messages(mailbox: Mailbox, since: int) -> list[str]:
    ended = [(message.destroyed_seq, message.id) for message in mailbox.messages.values()]
    return [message_id for _, message_id in sorted((seq, i) for seq, i in ended if seq is not None and seq > since)]


def _removed_labels(mailbox: Mailbox, since: int) -> list[str]:
    ended = [(label.destroyed_seq, label.id) for label in mailbox.labels.values()]
    return [label_id for _, label_id in sorted((seq, i) for seq, i in ended if seq is not None and seq > since)]
