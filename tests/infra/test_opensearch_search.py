"""The OpenSearch index: the contract, and what only several writers of one index can do to it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from opensearchpy import OpenSearch

from domain.ids import LabelId, MailboxId, MessageId
from domain.search_language import QueryInvalidError
from domain.search_matching import matches
from infra.opensearch_search.generations import OpenSearchGenerations
from infra.opensearch_search.live import LiveOpenSearch
from infra.opensearch_search.moment import Moment
from infra.operator_errors import OperatorError
from projections.search import MessageMarks, SearchTooBroadError, SearchUnavailableError
from tests.contracts.search_index import (
    MINE,
    NOW,
    OTHERS,
    SearchIndexContract,
    document,
    feed,
    filled_index,
    found,
    query,
    random_documents,
)
from tests.servers import fresh_search, opensearch_server

__all__ = ["filled_index"]  # a fixture of the contract

pytestmark = pytest.mark.servers


@pytest.fixture
def generations() -> Iterator[OpenSearchGenerations]:
    with fresh_search() as made:
        yield made


def live(generations: OpenSearchGenerations) -> LiveOpenSearch:
    """As another process opens it."""
    return LiveOpenSearch(opensearch_server().client(), generations)


@pytest.fixture
def index(generations: OpenSearchGenerations) -> Iterator[LiveOpenSearch]:
    generations.ensure_live()
    opened = live(generations)
    yield opened
    opened.close()


@pytest.fixture(scope="class")
def shared_index() -> Iterator[LiveOpenSearch]:
    with fresh_search() as made:
        made.ensure_live()
        opened = live(made)
        yield opened
        opened.close()


class TestOpenSearch(SearchIndexContract):
    """The contract of tests/contracts/search_index.py."""


@pytest.fixture
def client() -> Iterator[OpenSearch]:
    made = opensearch_server().client()
    yield made
    made.close()


def marks(message_id: str = "m1", mailbox_id: MailboxId = MINE, **fields: Any) -> MessageMarks:
    usual: dict[str, Any] = {"seq": 2, "listed_at": NOW, "labels": (LabelId("INBOX"),), "keywords": ()}
    return MessageMarks(mailbox_id=mailbox_id, message_id=MessageId(message_id), **{**usual, **fields})


def all_that_is_stored(client: OpenSearch, generations: OpenSearchGenerations) -> str:
    client.indices.refresh(index=f"{generations.alias}-*")
    return json.dumps(client.search(index=f"{generations.alias}-*", body={"size": 1000})["hits"]["hits"])


def test_what_is_older_than_what_is_there_does_nothing(index: LiveOpenSearch) -> None:
    feed(index, document(subject="new", seq=5), seq=5)
    feed(index, document(subject="old", seq=4), seq=4)
    assert index.relabel([marks(seq=4, keywords=("$flagged",))]) == []
    index.apply([], [], {MINE: 4})
    assert (found(index, "new"), found(index, "old"), found(index, "is:starred")) == (["m1"], [], [])
    assert index.cursor(MINE) == 5


def test_a_cursor_never_goes_back(index: LiveOpenSearch) -> None:
    for seq in (7, 3, 8, 8, 1):
        index.apply([], [], {MINE: seq})
    assert index.cursor(MINE) == 8


def test_a_message_that_was_taken_out_never_comes_back_whatever_is_late(index: LiveOpenSearch) -> None:
    feed(index, document(subject="alpha", seq=1))
    index.apply([], [(MINE, MessageId("m1"))], {MINE: 2})
    feed(index, document(subject="alpha", seq=9), seq=9)
    assert index.relabel([marks(seq=10)]) == []
    assert found(index, "in:anywhere") == []
    assert index.search(MINE, query("in:anywhere")).total == 0


def test_a_message_that_came_and_went_before_anybody_saw_it_stays_away(index: LiveOpenSearch) -> None:
    index.apply([], [(MINE, MessageId("m1"))], {MINE: 2})
    feed(index, document(subject="alpha", seq=1))
    assert found(index, "in:anywhere") == []


def test_no_word_of_what_was_taken_out_or_dropped_is_stored(
    index: LiveOpenSearch, generations: OpenSearchGenerations, client: OpenSearch
) -> None:
    feed(index, document("m1", subject="secret"), document("m2", subject="plain"), document("m3", OTHERS, text="dark"))
    index.apply([], [(MINE, MessageId("m1"))], {MINE: 2})
    index.drop_mailbox(OTHERS)
    stored = all_that_is_stored(client, generations)
    assert ("plain" in stored, "secret" in stored, "dark" in stored) == (True, False, False)


def test_what_a_message_bears_changes_and_what_it_says_stays(index: LiveOpenSearch) -> None:
    feed(index, document("m1", subject="alpha", listed_at=1), document("m2", subject="alpha", listed_at=2))
    left = index.relabel([marks("m1", listed_at=3, labels=(LabelId("l1"),), keywords=("$seen",)), marks("m9")])
    index.apply([], [], {MINE: 2})
    assert [one.message_id for one in left] == ["m9"]
    assert found(index, "alpha") == ["m1", "m2"]
    assert (found(index, "label:work"), found(index, "is:unread"), found(index, "in:inbox")) == (["m1"], ["m2"], ["m2"])


def test_what_a_message_bears_is_shown_with_the_cursor_of_its_mailbox(index: LiveOpenSearch) -> None:
    feed(index, document(subject="alpha"))
    index.relabel([marks(keywords=("$flagged",))])
    index.apply([], [], {MINE: 2})
    assert (found(index, "alpha is:starred"), index.cursor(MINE)) == (["m1"], 2)


def test_changing_the_same_message_of_two_mailboxes_changes_one(index: LiveOpenSearch) -> None:
    feed(index, document("m1", MINE, subject="alpha"), document("m1", OTHERS, subject="alpha"))
    index.relabel([marks("m1", OTHERS, keywords=("$flagged",))])
    index.apply([], [], {MINE: 2, OTHERS: 2})
    assert (found(index, "is:starred"), found(index, "is:starred", OTHERS)) == ([], ["m1"])


def test_many_writers_of_the_same_messages_end_at_the_newest(generations: OpenSearchGenerations) -> None:
    generations.ensure_live()

    def write(number: int) -> None:
        own = live(generations)
        for seq in range(number, 60, 6):
            feed(own, *(document(f"m{n}", subject=f"word{seq}", seq=seq) for n in range(5)), seq=seq)
        own.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(1, 7)))
    index = live(generations)
    assert sorted(found(index, "word59")) == [f"m{n}" for n in range(5)]
    assert (len(found(index, "in:anywhere")), index.cursor(MINE)) == (5, 59)
    index.close()


def test_any_number_may_make_the_first_generation_and_it_is_one(generations: OpenSearchGenerations) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: generations.ensure_live(), range(6))) == [1] * 6


def test_an_index_that_is_not_there_is_unavailable_and_made_by_who_feeds_it(generations: OpenSearchGenerations) -> None:
    index = live(generations)
    with pytest.raises(SearchUnavailableError):
        found(index, "alpha")
    assert index.cursor(MINE) == 0
    other = live(generations)
    assert found(other, "alpha") == []
    for opened in (index, other):
        opened.close()


def test_a_lost_index_is_another_when_it_is_made_anew(
    index: LiveOpenSearch, generations: OpenSearchGenerations, client: OpenSearch
) -> None:
    feed(index, document(subject="alpha"))
    before = index.identity()
    assert index.identity() == before
    client.indices.delete(index=generations.name(1))
    assert index.identity() != before
    assert (index.cursor(MINE), found(index, "alpha")) == (0, [])


def test_what_was_gathered_for_a_generation_never_goes_into_another(
    index: LiveOpenSearch, generations: OpenSearchGenerations
) -> None:
    feed(index, document("m1", subject="alpha"))
    slow = live(generations)
    assert slow.cursor(MINE) == 1
    generation, rebuilt = generations.begin()
    rebuilt.apply([], [], {MINE: 1})
    generations.switch(generation)
    slow.apply([document("m2", subject="alpha", seq=2)], [], {MINE: 2})
    assert (found(index, "alpha"), index.cursor(OTHERS)) == ([], 0)
    assert index.search(MINE, query("alpha")).as_of_seq == 1
    slow.close()


def test_a_switch_between_two_cursors_is_told_once_and_nothing_is_written(
    index: LiveOpenSearch, generations: OpenSearchGenerations
) -> None:
    slow = live(generations)
    assert slow.cursor(MINE) == 0
    generations.switch(generations.begin()[0])
    with pytest.raises(SearchUnavailableError, match="another generation"):
        slow.cursor(OTHERS)
    assert slow.cursor(OTHERS) == 0
    feed(slow, document(subject="alpha"))
    assert found(index, "alpha") == ["m1"]
    slow.close()


def test_a_write_never_makes_an_index_where_one_was_removed(
    index: LiveOpenSearch, generations: OpenSearchGenerations, client: OpenSearch
) -> None:
    slow = live(generations)
    assert slow.cursor(MINE) == 0
    generations.switch(generations.begin()[0])
    assert generations.remove_old()
    with pytest.raises(SearchUnavailableError):
        feed(slow, document(subject="alpha"))
    assert list(client.indices.get_alias(index=f"{generations.alias}-*")) == [generations.name(2)]
    slow.close()


def test_a_rebuild_that_was_interrupted_is_gone_on_with_unless_its_form_is_another(
    index: LiveOpenSearch, generations: OpenSearchGenerations, client: OpenSearch
) -> None:
    assert (generations.begin()[0], generations.begin()[0]) == (2, 2)
    client.indices.put_mapping(index=generations.name(2), body={"_meta": {"schema": 0}})
    generation, _ = generations.begin()
    generations.switch(generation)
    assert (generation, generations.remove_old(), generations.live()) == (3, True, 3)
    assert list(client.indices.get_alias(index=f"{generations.alias}-*")) == [generations.name(3)]


def test_an_index_of_another_form_stops_the_start_with_one_line(
    index: LiveOpenSearch, generations: OpenSearchGenerations, client: OpenSearch
) -> None:
    generations.require_readable()
    client.indices.put_mapping(index=generations.name(1), body={"_meta": {"schema": 0}})
    with pytest.raises(OperatorError, match=r"^the index [a-z0-9-]+ of OpenSearch has another form: [^\n]*$"):
        generations.require_readable()


def test_a_mailbox_is_read_whole_as_it_stood_at_one_moment(
    index: LiveOpenSearch, generations: OpenSearchGenerations, client: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.opensearch_search.moment.PAGE", 7)
    feed(index, *random_documents(MINE, 40, seed=5), document("other", OTHERS), seq=3)
    with Moment(client, generations.alias, MINE) as moment:
        feed(index, document("m99", seq=4), seq=4)
        index.apply([], [(MINE, MessageId("m1"))], {MINE: 5})
        assert (moment.messages(), moment.cursor()) == ({f"m{n}" for n in range(40)}, 3)
    messages, as_of = index.messages(MINE)
    assert (len(messages), "m99" in messages, "m1" in messages, as_of) == (40, True, False, 5)
    assert index.messages(MailboxId("nobody")) == (set(), 0)


def test_a_prefix_of_very_many_words_is_found_alone_and_too_broad_in_a_phrase(index: LiveOpenSearch) -> None:
    feed(index, *(document(f"m{n}", text=" ".join(f"alpha b{n}x{i}" for i in range(2_000))) for n in range(2)))
    feed(index, document("m1", OTHERS, text="alpha beta"))
    assert len(found(index, "b*")) == 2
    with pytest.raises(SearchTooBroadError):
        found(index, "alpha-b*")
    assert found(index, "alpha-b*", OTHERS) == ["m1"]
    assert found(index, "b*", OTHERS) == ["m1"]


def test_a_query_nested_as_deep_as_may_be_is_answered(index: LiveOpenSearch) -> None:
    feed(index, document(subject="alpha"))
    for shape in ("-({})", "(beta OR {})", "(alpha {})", "-(alpha -({}))", "(beta OR -({}))"):
        deeper, deep = "alpha", ""
        with suppress(QueryInvalidError):
            while query(deeper):
                deep, deeper = deeper, shape.format(deeper)
        assert bool(found(index, deep)) == matches(query(deep), document(subject="alpha")), deep


def test_a_cursor_of_many_mailboxes_is_each_ones_own(index: LiveOpenSearch) -> None:
    index.apply([], [], {MINE: 7, OTHERS: 3})
    assert index.cursors([OTHERS, MailboxId("nobody"), MINE]) == {MINE: 7, OTHERS: 3, "nobody": 0}
    assert index.cursors([]) == {}
