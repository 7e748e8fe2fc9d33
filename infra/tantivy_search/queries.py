"""How a query asks the index: built from tantivy's own query objects, never from a text that would have to be parsed.

The mailbox stands beside the whole tree as a condition that must hold, so whatever the tree says, no message of another
mailbox is found.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from tantivy import FieldType, Occur
from tantivy import Query as IndexQuery

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
from infra.search_terms import ATTACHMENT, UNREAD, fact, integer, tag
from infra.tantivy_search.schema import FACTS, LISTED_AT, MAILBOX, RECEIVED_AT, SCHEMA, SIZE


def index_query(mailbox_id: MailboxId, query: Query, *, latest: int | None = None) -> IndexQuery:
    """What a resolved query asks of one mailbox; with `latest`, only what is listed at that moment or before."""
    mailbox_tag = tag(mailbox_id)
    conditions = [(Occur.Must, IndexQuery.term_query(SCHEMA, MAILBOX, mailbox_id, "basic"))]
    conditions += [_condition(part, mailbox_tag) for part in _conjuncts(query.root)]
    conditions += [(Occur.MustNot, _fact(mailbox_tag, "label", label)) for label in query.left_out]
    if latest is not None:
        conditions.append((Occur.Must, _integers(LISTED_AT, None, latest)))
    return IndexQuery.boolean_query(conditions)


def _conjuncts(root: Node) -> tuple[Node, ...]:
    return root.parts if isinstance(root, AllOf) else (root,)


def _condition(node: Node, mailbox_tag: str) -> tuple[Occur, IndexQuery]:
    if isinstance(node, Not):
        return Occur.MustNot, _tree(node.part, mailbox_tag)
    return Occur.Must, _tree(node, mailbox_tag)


def _tree(node: Node, mailbox_tag: str) -> IndexQuery:
    return _TREES[type(node)](node, mailbox_tag)


def _all_of(node: AllOf, mailbox_tag: str) -> IndexQuery:
    conditions = [_condition(part, mailbox_tag) for part in node.parts]
    return IndexQuery.boolean_query([(Occur.Must, IndexQuery.all_query()), *conditions])


def _any_of(node: AnyOf, mailbox_tag: str) -> IndexQuery:
    return IndexQuery.boolean_query([(Occur.Should, _tree(part, mailbox_tag)) for part in node.parts])


def _not(node: Not, mailbox_tag: str) -> IndexQuery:
    return IndexQuery.boolean_query(
        [(Occur.Must, IndexQuery.all_query()), (Occur.MustNot, _tree(node.part, mailbox_tag))]
    )


def _phrase(node: Phrase, mailbox_tag: str) -> IndexQuery:
    terms = [mailbox_tag + word for word in node.words]
    if node.open_ended:
        patterns: list[str | tuple[int, str]] = [re.escape(term) for term in terms]
        patterns[-1] = f"{patterns[-1]}.*"
        if len(patterns) == 1:
            return IndexQuery.regex_query(SCHEMA, node.field, str(patterns[0]))
        return IndexQuery.regex_phrase_query(SCHEMA, node.field, patterns)
    if len(terms) == 1:
        return IndexQuery.term_query(SCHEMA, node.field, terms[0], "basic")
    return IndexQuery.phrase_query(SCHEMA, node.field, list(terms))


def _fact(mailbox_tag: str, kind: str, value: str = "") -> IndexQuery:
    return IndexQuery.term_query(SCHEMA, FACTS, fact(mailbox_tag, kind, value), "basic")


def _integers(field: str, lower: int | None, upper: int | None) -> IndexQuery:
    return IndexQuery.range_query(SCHEMA, field, FieldType.Integer, lower, upper)


_TREES: Final[dict[type, Callable[[Any, str], IndexQuery]]] = {
    Everything: lambda _, mailbox_tag: IndexQuery.all_query(),
    Nothing: lambda _, mailbox_tag: IndexQuery.empty_query(),
    LabelNamed: lambda _, mailbox_tag: IndexQuery.empty_query(),
    AllOf: _all_of,
    AnyOf: _any_of,
    Not: _not,
    Phrase: _phrase,
    AddressIs: lambda node, mailbox_tag: _fact(mailbox_tag, node.field, node.key),
    Labelled: lambda node, mailbox_tag: _fact(mailbox_tag, "label", node.label_id),
    HasKeyword: lambda node, mailbox_tag: _fact(mailbox_tag, "keyword", node.keyword),
    IsUnread: lambda _, mailbox_tag: _fact(mailbox_tag, UNREAD),
    HasAttachment: lambda _, mailbox_tag: _fact(mailbox_tag, ATTACHMENT),
    ReceivedBefore: lambda node, _: _integers(RECEIVED_AT, None, integer(node.at_ms - 1)),
    ReceivedSince: lambda node, _: _integers(RECEIVED_AT, integer(node.at_ms), None),
    LargerThan: lambda node, _: _integers(SIZE, integer(node.size_bytes + 1), None),
    SmallerThan: lambda node, _: _integers(SIZE, None, integer(node.size_bytes - 1)),
    MessageIdIs: lambda node, mailbox_tag: _fact(mailbox_tag, "message_id", node.key),
}
