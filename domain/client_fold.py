"""What a client keeps by consuming `/sync`: the reference for whoever writes one.

It knows the public JSON forms alone. Three ways lead to the same state, and may follow one another: pages of events,
pages of net changes (`fold=true`), and the pages of a snapshot with either after them. Rules that a client needs:

* an event whose seq is not above a summary's `seq` is already in that summary;
* unknown event types, unknown fields and unknown message ids are passed over: a message that no page showed was
  destroyed before the page was made, which a later event tells;
* counts are counted from the messages kept, so between the pages of a snapshot they are of what came so far;
* after a snapshot net changes are the surer way: by events alone the `seq` of a label from which something was
  destroyed while the snapshot was read stays behind until that label changes again.
"""

from collections.abc import Callable, Iterable
from typing import Any

from domain.client_labels import ClientLabels, counts_by_label, label_list

Json = dict[str, Any]

PERSONAL = ("from", "to", "cc", "subject", "snippet", "date", "attachments")
STRUCTURE = ("id", "thread_id", "received_at", "listed_at", "size", "has_attachment")
REDACTED: Json = {
    **{name: [] for name in ("from", "to", "cc", "attachments")},
    "subject": "",
    "snippet": "",
    "date": None,
    "redacted": True,
}


class ClientFold:
    """The messages and labels of one mailbox as a client keeps them; `seq` is what to pass as the next `since`."""

    def __init__(self) -> None:
        self.seq = 0
        self._messages: dict[str, Json] = {}
        self._labels = ClientLabels()

    def messages(self) -> list[Json]:
        """All summaries, newest (`listed_at`, id) first."""
        return sorted(self._messages.values(), key=lambda message: (message["listed_at"], message["id"]), reverse=True)

    def labels(self) -> list[Json]:
        """Label objects as `GET /v1/labels` gives them."""
        return label_list(self._labels, self._messages.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """`{total, unread}` by label id."""
        return counts_by_label(self.labels())

    def threads(self, label: str | None = None) -> list[Json]:
        """`{id, latest_at, total, unread}` of the threads in a label or in all mail, newest first."""
        threads: dict[str, Json] = {}
        for message in self._messages.values():
            if label is None or label in message["labels"]:
                _add_to_thread(threads, message)
        return sorted(threads.values(), key=lambda thread: (thread["latest_at"], thread["id"]), reverse=True)

    def apply_snapshot(self, page: Json) -> None:
        """One page of `GET /v1/snapshot`; the first replaces whatever was kept."""
        if "labels" in page:
            self._messages.clear()
            self._labels = ClientLabels()
            self._labels.replace(page["labels"])
        self._keep(page["messages"])
        self.seq = page["seq"]

    def apply_fold(self, page: Json) -> None:
        """One page of `/sync?fold=true`.

        Raises:
            ValueError: the page does not begin where this client stands.
        """
        self._expect(page["since"])
        self._keep(page["messages"]["changed"])
        for message_id in page["messages"]["removed"]:
            self._messages.pop(message_id, None)
        labels = page.get("labels", {})
        self._labels.replace(labels.get("changed", ()))
        self._labels.remove(labels.get("removed", ()))
        self.seq = page["next"]

    def apply_events(self, page: Json) -> None:
        """One page of `/sync`.

        Raises:
            ValueError: the page does not begin where this client stands.
        """
        self._expect(page["since"])
        for event in page["events"]:
            self._apply(event)
        self.seq = page["next"]

    def _expect(self, since: int) -> None:
        if since != self.seq:
            raise ValueError(f"this page begins after {since}, this client stands at {self.seq}")

    def _keep(self, summaries: Iterable[Json]) -> None:
        for summary in summaries:
            kept = self._messages.get(summary["id"])
            if kept is None or kept["seq"] < summary["seq"]:
                self._messages[summary["id"]] = dict(summary)

    def _apply(self, event: Json) -> None:
        apply = _ON_MESSAGES.get(event["type"])
        if apply is not None and event["data"]:
            apply(self, event["data"], event["seq"], event.get("redacted", False))
        self._labels.apply(event)

    def _open(self, message_ids: Iterable[str], seq: int) -> list[Json]:
        """The summaries kept of these messages that do not yet hold the event of this seq."""
        kept = (self._messages.get(message_id) for message_id in message_ids)
        return [message for message in kept if message is not None and message["seq"] < seq]

    def _delivered(self, data: Json, seq: int, redacted: bool) -> None:
        given = data["message"]
        personal = REDACTED if redacted else {name: given[name] for name in PERSONAL}
        lists = {"labels": sorted(given["labels"]), "keywords": sorted(given["keywords"])}
        structure = {name: given[name] for name in STRUCTURE}
        self._keep([{**structure, **personal, **lists, "seq": seq}])
        self._labels.touch(given["labels"], seq)

    def _reparsed(self, data: Json, seq: int, redacted: bool) -> None:
        for message in self._open([data["message_id"]], seq):
            message.pop("redacted", None)
            message.update(REDACTED if redacted else {name: data[name] for name in PERSONAL})
            message.update(has_attachment=data["has_attachment"], seq=seq)
            self._labels.touch(message["labels"], seq)

    def _keywords_changed(self, data: Json, seq: int, redacted: bool) -> None:
        for message in self._open(data["message_ids"], seq):
            message["keywords"] = sorted(set(message["keywords"]).difference(data["removed"]).union(data["added"]))
            message["seq"] = seq
            self._labels.touch(message["labels"], seq)

    def _labels_changed(self, data: Json, seq: int, redacted: bool) -> None:
        for message in self._open(data["message_ids"], seq):
            message["labels"] = sorted(set(message["labels"]).difference(data["removed"]).union(data["added"]))
            message["seq"] = seq
        self._labels.touch([*data["removed"], *data["added"]], seq)

    def _snoozed(self, data: Json, seq: int, redacted: bool) -> None:
        for message in self._open(data["message_ids"], seq):
            message["seq"] = seq

    def _snooze_ended(self, data: Json, seq: int, redacted: bool) -> None:
        for message in self._open(data["message_ids"], seq):
            message["seq"] = seq
            if data["listed_at"] is not None:
                message["listed_at"] = data["listed_at"]
                self._labels.touch(message["labels"], seq)

    def _deleted(self, data: Json, seq: int, redacted: bool) -> None:
        for message_id in data["message_ids"]:
            message = self._messages.pop(message_id, None)
            if message is not None:
                self._labels.touch(message["labels"], seq)

    def _threads_joined(self, data: Json, seq: int, redacted: bool) -> None:
        for old_id, new_id in zip(data["message_ids"], data["new_ids"], strict=True):
            old = self._messages.pop(old_id, None)
            if old is not None:
                self._keep([{**old, "id": new_id, "thread_id": data["into"], "seq": seq}])
        self._labels.touch(data["uids"], seq)

    def _marked(self, data: Json, seq: int, redacted: bool) -> None:
        self._labels.touch([data["label_id"]], seq)


_ON_MESSAGES: dict[str, Callable[[ClientFold, Json, int, bool], None]] = {
    "MessageDelivered": ClientFold._delivered,
    "MessageReparsed": ClientFold._reparsed,
    "KeywordsChanged": ClientFold._keywords_changed,
    "LabelsChanged": ClientFold._labels_changed,
    "MessagesSnoozed": ClientFold._snoozed,
    "SnoozeEnded": ClientFold._snooze_ended,
    "MessagesDeleted": ClientFold._deleted,
    "ThreadsJoined": ClientFold._threads_joined,
    "DeletionMarked": ClientFold._marked,
    "DeletionUnmarked": ClientFold._marked,
}


def _add_to_thread(threads: dict[str, Json], message: Json) -> None:
    empty = {"id": message["thread_id"], "latest_at": message["listed_at"], "total": 0, "unread": 0}
    thread = threads.setdefault(message["thread_id"], empty)
    thread["latest_at"] = max(thread["latest_at"], message["listed_at"])
    thread["total"] += 1
    thread["unread"] += {"$seen", "$draft"}.isdisjoint(message["keywords"])
