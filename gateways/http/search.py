"""Searching: what people type, answered with summaries in which the words are marked."""

from typing import Annotated

import msgspec

from domain.ids import LabelId
from domain.search_highlight import Highlights, highlight
from domain.search_language import MAX_QUERY_CHARS, Query, parse, resolve
from domain.search_query import LabelNamed, label_key, nodes
from gateways.http.composing import now_ms
from gateways.http.operations import Answer, BehindError, Call, Operation, PagedRead
from gateways.http.shapes import MessageSummary


class SearchQuery(PagedRead, frozen=True, kw_only=True):
    """`q`: what people type in a mail search box."""

    q: Annotated[str, msgspec.Meta(max_length=4 * MAX_QUERY_CHARS)] = ""


class Found(MessageSummary, kw_only=True):
    """A message found; `highlights` are HTML with everything escaped but `<mark>`, null where nothing is marked."""

    highlights: Highlights


class Hits(msgspec.Struct):
    """A page of what was found; `as_of_seq` is the seq that the search had reached."""

    messages: list[Found]
    cursor: str | None
    total: int
    as_of_seq: int


class _Shown(msgspec.Struct):
    subject: str = ""
    snippet: str = ""


_shown = msgspec.json.Decoder(_Shown)


def search(call: Call[SearchQuery, None]) -> Answer:
    """The messages that live, newest first."""
    asked = call.query
    query = _resolved(call, parse(asked.q, now_ms()))
    hits = call.parts.search.search(call.mailbox_id, query, limit=asked.limit, cursor=asked.cursor or None)
    if asked.min_seq is not None and hits.as_of_seq < asked.min_seq:
        raise BehindError(f"the search has reached {hits.as_of_seq}")
    summaries = call.parts.lists.summaries(call.mailbox_id, list(hits.message_ids))
    rows = [_marked(query, summaries[one]) for one in hits.message_ids if one in summaries]
    cursor = msgspec.json.encode(hits.cursor)
    return Answer(
        b'{"messages":[%b],"cursor":%b,"total":%d,"as_of_seq":%d}'
        % (b",".join(rows), cursor, hits.total, hits.as_of_seq)
    )


def _resolved(call: Call[SearchQuery, None], query: Query) -> Query:
    """Label paths as ids; the labels are asked for only where a path stands in the query."""
    if not any(isinstance(node, LabelNamed) for node in nodes(query.root)):
        return query
    labels = call.parts.facts.labels(call.mailbox_id)
    return resolve(query, {label_key(label["path"]): LabelId(label["id"]) for label in labels})


def _marked(query: Query, summary: bytes) -> bytes:
    shown = _shown.decode(summary)
    marked = msgspec.json.encode(highlight(query, shown.subject, shown.snippet))
    return b'%b,"highlights":%b}' % (summary[:-1], marked)


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/search",
        summary="Search",
        run=search,
        query=SearchQuery,
        answers={200: Hits},
        errors=("query_invalid", "cursor_invalid", "search_unavailable"),
        tag="search",
    ),
)
