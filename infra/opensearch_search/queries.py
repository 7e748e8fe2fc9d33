"""How a query asks OpenSearch: a tree of its own term, phrase and range queries, never a text that it would parse.

The mailbox stands beside the whole tree as a condition that must hold, so whatever the tree says, no message of another
mailbox is found.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from domain.ids import MailboxId
from domain.search_query import (
    AddressIs,
    AllOf,
    AnyOf,
    Everything,
    HasAttachment,
    HasKeyword,
    IsUnread,
    Labelled,
    LabelNamed,
    LargerThan,
    MessageIdIs,
    Node,
    Not,
    Nothing,
    Phrase,
    Query,
    ReceivedBefore,
    ReceivedSince,
    SmallerThan,
)
from infra.opensearch_search.schema import FACTS, MAILBOX, MARKS, RECEIVED_AT, SIZE
from infra.search_terms import ATTACHMENT, UNREAD, fact, integer, tag

IndexQuery: TypeAlias = dict[str, Any]

_ALL: Final[IndexQuery] = {"match_all": {}}
_NONE: Final[IndexQuery] = {"match_none": {}}


def index_query(mailbox_id: MailboxId, query: Query) -> IndexQuery:
    """What a resolved query asks of one mailbox."""
    mailbox_tag = tag(mailbox_id)
    filters = [_term(MAILBOX, mailbox_id), *_wanted(_conjuncts(query.root), mailbox_tag)]
    excluded = _unwanted(_conjuncts(query.root), mailbox_tag)
    excluded += [_term(MARKS, fact(mailbox_tag, "label", label)) for label in query.left_out]
    return {"bool": {"filter": filters, "must_not": excluded}}


def _conjuncts(root: Node) -> Sequence[Node]:
    return root.parts if isinstance(root, AllOf) else (root,)


def _wanted(parts: Sequence[Node], mailbox_tag: str) -> list[IndexQuery]:
    return [_tree(part, mailbox_tag) for part in parts if not isinstance(part, Not)]


def _unwanted(parts: Sequence[Node], mailbox_tag: str) -> list[IndexQuery]:
    return [_tree(part.part, mailbox_tag) for part in parts if isinstance(part, Not)]


def _tree(node: Node, mailbox_tag: str) -> IndexQuery:
    return _TREES[type(node)](node, mailbox_tag)


def _all_of(node: Node, mailbox_tag: str) -> IndexQuery:
    parts = _conjuncts(node)
    return {"bool": {"filter": [_ALL, *_wanted(parts, mailbox_tag)], "must_not": _unwanted(parts, mailbox_tag)}}


def _any_of(node: AnyOf, mailbox_tag: str) -> IndexQuery:
    return {"bool": {"should": [_tree(part, mailbox_tag) for part in node.parts], "minimum_should_match": 1}}


def _phrase(node: Phrase, mailbox_tag: str) -> IndexQuery:
    *first, last = (mailbox_tag + word for word in node.words)
    if not node.open_ended:
        return _term(node.field, last) if not first else {"match_phrase": {node.field: " ".join([*first, last])}}
    prefix = {"prefix": {node.field: {"value": last}}}
    if not first:
        return prefix
    spans = [{"span_term": {node.field: {"value": term}}} for term in first]
    return {"span_near": {"clauses": [*spans, {"span_multi": {"match": prefix}}], "slop": 0, "in_order": True}}


def _term(field: str, value: str) -> IndexQuery:
    return {"term": {field: {"value": value}}}


def _fact(mailbox_tag: str, kind: str, value: str = "") -> IndexQuery:
    return _term(FACTS, fact(mailbox_tag, kind, value))


def _mark(mailbox_tag: str, kind: str, value: str = "") -> IndexQuery:
    return _term(MARKS, fact(mailbox_tag, kind, value))


def _range(field: str, bound: str, number: int) -> IndexQuery:
    return {"range": {field: {bound: integer(number)}}}


_TREES: Final[dict[type, Callable[[Any, str], IndexQuery]]] = {
    Everything: lambda _, mailbox_tag: _ALL,
    Nothing: lambda _, mailbox_tag: _NONE,
    LabelNamed: lambda _, mailbox_tag: _NONE,
    AllOf: _all_of,
    AnyOf: _any_of,
    Not: _all_of,
    Phrase: _phrase,
    AddressIs: lambda node, mailbox_tag: _fact(mailbox_tag, node.field, node.key),
    Labelled: lambda node, mailbox_tag: _mark(mailbox_tag, "label", node.label_id),
    HasKeyword: lambda node, mailbox_tag: _mark(mailbox_tag, "keyword", node.keyword),
    IsUnread: lambda _, mailbox_tag: _mark(mailbox_tag, UNREAD),
    HasAttachment: lambda _, mailbox_tag: _fact(mailbox_tag, ATTACHMENT),
    ReceivedBefore: lambda node, _: _range(RECEIVED_AT, "lt", node.at_ms),
    ReceivedSince: lambda node, _: _range(RECEIVED_AT, "gte", node.at_ms),
    LargerThan: lambda node, _: _range(SIZE, "gt", node.size_bytes),
    SmallerThan: lambda node, _: _range(SIZE, "lt", node.size_bytes),
    MessageIdIs: lambda node, mailbox_tag: _fact(mailbox_tag, "message_id", node.key),
}
