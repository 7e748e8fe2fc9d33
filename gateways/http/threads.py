"""Conversations."""

from domain.ids import LabelId, ThreadId
from gateways.http.labels import require_label
from gateways.http.operations import Answer, Call, Id, Operation, PagedRead, Read, json_page
from gateways.http.problems import ProblemError
from gateways.http.shapes import ThreadPage, ThreadShown


class ThreadsQuery(PagedRead, frozen=True, kw_only=True):
    """Conversations with a message in a label (without one: all)."""

    label: Id | None = None


def list_threads(call: Call[ThreadsQuery, None]) -> Answer:
    """A page, by the newest message of each."""
    asked = call.query
    label = None if asked.label is None else LabelId(asked.label)
    page = call.parts.lists.threads(call.mailbox_id, label=label, cursor=asked.cursor or None, limit=asked.limit)
    if label is not None and not page.rows:
        require_label(call, label)
    return json_page("threads", page.rows, page.cursor)


def read_thread(call: Call[Read, None]) -> Answer:
    """All its messages, oldest first; a conversation has at most 500."""
    thread_id = call.path["thread_id"]
    messages = call.parts.lists.thread(call.mailbox_id, ThreadId(thread_id))
    if not messages:
        raise ProblemError("thread_unknown")
    return Answer(b'{"id":"%b","messages":[%b]}' % (thread_id.encode(), b",".join(messages)))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/threads",
        summary="Conversations, newest first",
        run=list_threads,
        query=ThreadsQuery,
        answers={200: ThreadPage},
        errors=("cursor_invalid", "label_unknown"),
        tag="messages",
    ),
    Operation(
        method="GET",
        path="/v1/threads/{thread_id}",
        summary="A conversation, oldest message first",
        run=read_thread,
        answers={200: ThreadShown},
        errors=("thread_unknown",),
        unknown="thread_unknown",
        tag="messages",
    ),
)
