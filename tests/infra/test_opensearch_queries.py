"""What OpenSearch is asked: whatever is typed, for one mailbox, in terms that are that mailbox's own."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.search_language import QueryInvalidError
from infra.opensearch_search.queries import index_query
from infra.search_terms import tag
from tests.contracts.search_index import MINE, escapes, queries, query

KINDS = {"bool", "term", "prefix", "match_phrase", "span_near", "range", "match_all", "match_none"}
NUMBERS = {"received_at", "size"}


def leaves(asked: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Every (kind, field, value) that is asked for."""
    ((kind, told),) = asked.items()
    assert kind in KINDS
    if kind == "bool":
        assert told.keys() <= {"filter", "must_not", "should", "minimum_should_match"}
        for group in ("filter", "must_not", "should"):
            for part in told.get(group, ()):
                yield from leaves(part)
    elif kind == "span_near":
        *first, last = told["clauses"]
        for clause in first:
            ((field, value),) = clause["span_term"].items()
            yield "term", field, value
        yield from leaves(last["span_multi"]["match"])
    elif not kind.startswith("match_") or kind == "match_phrase":
        ((field, value),) = told.items()
        yield kind, field, value


@given(q=st.one_of(queries, escapes))
def test_whatever_is_typed_asks_for_one_mailbox_and_for_nothing_but_its_own_terms(q: str) -> None:
    try:
        asked = index_query(MINE, query(q))
    except QueryInvalidError:
        return
    mailbox, *rest = leaves(asked)
    assert asked["bool"]["filter"][0] == {"term": {"mailbox": {"value": MINE}}}
    assert mailbox == ("term", "mailbox", {"value": MINE})
    for kind, field, value in rest:
        assert field != "mailbox"
        if kind == "range":
            assert field in NUMBERS
        else:
            words = value.split(" ") if kind == "match_phrase" else [value["value"]]
            assert all(word.startswith(tag(MINE)) for word in words)
