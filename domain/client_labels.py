"""The labels that a client keeps, with counts made from the messages that it keeps."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

SYSTEM_ROLES = {
    "INBOX": "inbox",
    "ARCHIVE": "archive",
    "SENT": "sent",
    "DRAFTS": "drafts",
    "TRASH": "trash",
    "SPAM": "junk",
}
"""The labels that every mailbox has from its first event, in the order of every list, and their roles."""
OWN = ("id", "name", "parent_id", "role", "seq")


class ClientLabels:
    """Labels by id, each with what is its own: id, name, parent, role and seq."""

    def __init__(self) -> None:
        self.by_id: dict[str, Json] = {}

    def replace(self, labels: Iterable[Json]) -> None:
        """Keep these label objects as the query API shows them."""
        for label in labels:
            self.by_id[label["id"]] = {name: label[name] for name in OWN}

    def remove(self, label_ids: Iterable[str]) -> None:
        """Forget these labels."""
        for label_id in label_ids:
            self.by_id.pop(label_id, None)

    def touch(self, label_ids: Iterable[str], seq: int) -> None:
        """What is in these labels changed."""
        for label_id in label_ids:
            label = self.by_id.get(label_id)
            if label is not None:
                label["seq"] = max(label["seq"], seq)

    def apply(self, event: Json) -> None:
        """Fold an event in its public form; those that are not about labels change nothing."""
        data, seq = event["data"], event["seq"]
        if not data:
            return
        match event["type"]:
            case "MailboxOpened":
                for label_id, role in SYSTEM_ROLES.items():
                    self._change(label_id, {"name": label_id, "parent_id": None, "role": role}, seq)
            case "LabelCreated":
                self._change(data["label_id"], {name: data[name] for name in ("name", "parent_id", "role")}, seq)
            case "LabelChanged" if data["label_id"] in self.by_id:
                self._change(data["label_id"], {name: data[name] for name in ("name", "parent_id")}, seq)
            case "LabelDeleted":
                self.remove([data["label_id"]])
            case "MailboxRestored":
                self.touch(data["uid_validity"], seq)

    def _change(self, label_id: str, fields: Json, seq: int) -> None:
        label = self.by_id.setdefault(label_id, {"id": label_id, "seq": 0})
        if label["seq"] < seq:
            label.update(fields, seq=seq)


def label_list(labels: ClientLabels, messages: Iterable[Json]) -> list[Json]:
    """Label objects as `GET /v1/labels` gives them: system labels in their order, then by path ignoring case."""
    shown = {label_id: _uncounted(labels, label) for label_id, label in labels.by_id.items()}
    threads: dict[str, dict[str, bool]] = {label_id: {} for label_id in shown}
    for message in messages:
        for label_id in message["labels"]:
            if label_id in shown:
                _count(shown[label_id], threads[label_id], message)
    for label_id, label in shown.items():
        label["threads"] = len(threads[label_id])
        label["threads_unread"] = sum(threads[label_id].values())
    return sorted(shown.values(), key=_order)


def _uncounted(labels: ClientLabels, label: Json) -> Json:
    return {
        **label,
        "path": _path(labels, label),
        "total": 0,
        "unread": 0,
        "threads": 0,
        "threads_unread": 0,
        "size": 0,
    }


def _count(label: Json, threads: dict[str, bool], message: Json) -> None:
    unread = {"$seen", "$draft"}.isdisjoint(message["keywords"])
    label["total"] += 1
    label["unread"] += unread
    label["size"] += message["size"]
    threads[message["thread_id"]] = threads.get(message["thread_id"], False) or unread


def _path(labels: ClientLabels, label: Json) -> str:
    names = [label["name"]]
    above = {label["id"]}
    parent = labels.by_id.get(label["parent_id"])
    while parent is not None and parent["id"] not in above:
        names.append(parent["name"])
        above.add(parent["id"])
        parent = labels.by_id.get(parent["parent_id"])
    return "/".join(reversed(names))


def _order(label: Json) -> tuple[int, str, str]:
    known = list(SYSTEM_ROLES)
    place = known.index(label["id"]) if label["id"] in SYSTEM_ROLES else len(known)
    return place, label["path"].casefold(), label["id"]


def counts_by_label(labels: Iterable[Json]) -> dict[str, dict[str, int]]:
    """`{total, unread}` by label id."""
    return {label["id"]: {"total": label["total"], "unread": label["unread"]} for label in labels}
