"""What every search index keeps to.

An adapter's tests subclass `SearchIndexContract`, give the fixtures `index`
and `shared_index` (empty indexes, the second of class scope) and import `filled_index`.
"""

import random
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.ids import LabelId, MailboxId, MessageId, ThreadId
from domain.search_language import QueryInvalidError, parse, resolve
from domain.search_matching import matches
from domain.search_query import Everything, Query
from projections.search import SearchCursorInvalidError, SearchDocument, SearchIndex

NOW = 1_795_000_000_000
DAY = 86_400_000
MINE, OTHERS = MailboxId("a1"), MailboxId("a2")
LABELS = {"work": LabelId("l1"), "work/invoices": LabelId("l2")}

WORDS = (
    "alpha",
    "beta",
    "betaine",
    "Gamma",
    "café",
    "Straße",
    "漢字かな",
    "字",
    "한국어",
    "12",
    "don't",
    "x_y",
    "🎉",
    "हिन्दी",
)
NAMES = ("Alice Smith alice@example.com", "Bob Øre <bob.ore@sub.example.org>", "alice@example.com.invalid", "Éve")
FILES = ("report-2026.pdf", "Überweisung alpha.docx", "漢字.txt")
KEYWORDS = ("$seen", "$flagged", "$draft", "$answered")
ALL_LABELS = ("INBOX", "SPAM", "TRASH", "l1", "l2")

# fmt: off
QUERY_TERMS = (
    *WORDS, "ALPHA", "cafe", "strasse", "bet*", "b*", "漢", "字か", "국", "alpha-bet*", '"alpha beta"', '"beta 漢"',
    '"字 🎉"', "from:alice", "from:alice@example.com", "from:@example.com", "from:alice@", "to:ore",
    "to:sub.example.org", "cc:eve",
    "bcc:Øre", "subject:gamma", 'subject:"alpha café"', "subject:(alpha OR beta)", "filename:report", "filename:pdf",
    "filename:2026.pdf", "filename:uber*", "has:attachment", "is:unread", "is:read", "is:starred", "is:draft",
    "label:work", "label:work/invoices", "label:nowhere", "in:inbox", "in:spam", "label:TRASH", "in:anywhere",
    "before:2026-10-01", "after:2026/10/01", "older_than:2m", "newer_than:30d", "larger:5k", "smaller:5k",
    "rfc822msgid:<m1@example.com>", "!!!",
)
# fmt: on

_numbers = count(1)


def document(message_id: str = "m1", mailbox_id: MailboxId = MINE, **fields: Any) -> SearchDocument:
    """A document of which a test says only what matters to it."""
    usual: dict[str, Any] = {"seq": 1, "received_at": NOW, "size": 1_000, "labels": (LabelId("INBOX"),)}
    given_fields = {**usual, **fields}
    return SearchDocument(
        mailbox_id=mailbox_id,
        message_id=MessageId(message_id),
        thread_id=ThreadId("t1"),
        **{"listed_at": given_fields["received_at"], **given_fields},
    )


def random_documents(mailbox_id: MailboxId, number: int, seed: int) -> list[SearchDocument]:
    """Documents over a small vocabulary, so that queries find some and not all of them; the same for a seed."""
    chance = random.Random(seed)

    def some(values: Sequence[str], most: int) -> tuple[str, ...]:
        return tuple(chance.choices(values, k=chance.randint(0, most)))

    return [
        document(
            f"m{place}",
            mailbox_id,
            received_at=NOW - chance.randint(0, 120) * DAY,
            listed_at=NOW - chance.randint(0, 9),
            size=chance.randint(0, 10_000),
            subject=" ".join(some(WORDS, 4)),
            text=chance.choice((" ", ", ", "\n", "")).join(some(WORDS, 8)),
            from_=some(NAMES, 1),
            to=some(NAMES, 2),
            cc=some(NAMES, 1),
            bcc=some(NAMES, 1),
            filenames=some(FILES, 1),
            labels=tuple(sorted({LabelId("INBOX"), *some(ALL_LABELS, 1)})),
            keywords=tuple(sorted(set(some(KEYWORDS, 2)))),
            has_attachment=chance.random() < 0.5,
            message_id_header=f"<m{place % 7}@example.com>",
        )
        for place in range(number)
    ]


queries = st.recursive(
    st.sampled_from(QUERY_TERMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" ".join),
        st.tuples(inner, inner).map(" OR ".join),
        inner.map(lambda q: f"({q})"),
        inner.map(lambda q: f"-({q})"),
    ),
    max_leaves=6,
)
escapes = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "-", "(", '"', "* ", "OR "]),
        st.sampled_from(["mailbox:", "key:", "facts:", "label:", "from:", "+", "/.*/", "*:*", "IN [a2] ", "a2/", "\\"]),
        st.sampled_from(["a2", "a2/m1", "*", "[* TO *]", '"a2"', "INBOX", ".*", "secret"]),
        st.sampled_from(["", ")", '"', " OR secret", " OR -x", "*", "^9", "~"]),
    ),
)


def query(q: str) -> Query:
    return resolve(parse(q, NOW), LABELS)


def found(index: SearchIndex, q: str, mailbox_id: MailboxId = MINE) -> list[str]:
    return list(index.search(mailbox_id, query(q), limit=100).message_ids)


def feed(index: SearchIndex, *documents: SearchDocument, seq: int = 1) -> None:
    index.apply(documents, [], {each.mailbox_id: seq for each in documents})


def expected(documents: Iterable[SearchDocument], asked: Query) -> list[MessageId]:
    """What the in-memory evaluation finds, in the order of the list."""
    places = sorted(((each.listed_at, each.message_id) for each in documents if matches(asked, each)), reverse=True)
    return [message_id for _, message_id in places]


@pytest.fixture(scope="class")
def filled_index(shared_index: SearchIndex) -> SearchIndex:
    """80 messages of `MINE` beside as many of `OTHERS`, whose ids all begin with "secret"; `shared_index` is empty."""
    feed(shared_index, *random_documents(MINE, 80, seed=1))
    secrets = (document(f"secret{place}", OTHERS, subject="secret alpha a2", text="secret") for place in range(80))
    feed(shared_index, *secrets)
    return shared_index


class SearchIndexContract:
    """The port's promises, one test each."""

    def test_an_empty_index_finds_nothing_and_stands_at_seq_0(self, index: SearchIndex) -> None:
        hits = index.search(MINE, query("alpha"))
        assert (hits.message_ids, hits.total, hits.cursor, hits.as_of_seq) == ((), 0, None, 0)
        assert index.cursor(MINE) == 0

    def test_a_message_is_found_by_every_text_that_it_has(self, index: SearchIndex) -> None:
        feed(
            index,
            document(
                subject="one",
                text="two",
                from_=("three@x.test",),
                to=("four x@y",),
                cc=("five",),
                bcc=("six",),
                filenames=("7.pdf",),
            ),
        )
        for q in ("one", "two", "three", "four", "five", "six", "7", "one two three four five six 7"):
            assert found(index, q) == ["m1"], q
        assert found(index, "eight") == []

    def test_the_cursor_of_each_mailbox_is_kept_with_what_was_applied(self, index: SearchIndex) -> None:
        index.apply([document(subject="alpha")], [], {MINE: 7, OTHERS: 3})
        assert (index.cursor(MINE), index.cursor(OTHERS)) == (7, 3)
        index.apply([], [], {MINE: 8})
        assert (index.cursor(MINE), index.cursor(OTHERS)) == (8, 3)
        assert index.search(MINE, query("alpha")).as_of_seq == 8

    def test_applying_again_changes_nothing(self, index: SearchIndex) -> None:
        for _ in range(2):
            index.apply([document("m1", subject="alpha"), document("m2", subject="alpha")], [], {MINE: 2})
        hits = index.search(MINE, query("alpha"))
        assert (hits.message_ids, hits.total) == (("m2", "m1"), 2)

    def test_a_document_replaces_the_one_before(self, index: SearchIndex) -> None:
        feed(index, document(subject="alpha", keywords=()))
        feed(index, document(subject="alpha", keywords=("$seen",)))
        assert found(index, "alpha is:unread") == []
        assert found(index, "alpha is:read") == ["m1"]

    def test_the_last_of_two_documents_of_one_message_in_one_batch_counts(self, index: SearchIndex) -> None:
        feed(index, document(subject="alpha"), document(subject="beta"))
        assert found(index, "alpha") == []
        assert found(index, "beta") == ["m1"]

    def test_a_deleted_message_is_not_found(self, index: SearchIndex) -> None:
        feed(index, document("m1", subject="alpha"), document("m2", subject="alpha"))
        index.apply([document("m3", subject="alpha")], [(MINE, MessageId("m1")), (MINE, MessageId("m3"))], {MINE: 2})
        assert found(index, "alpha") == ["m2"]

    def test_deleting_what_is_not_there_is_no_error(self, index: SearchIndex) -> None:
        index.apply([], [(MINE, MessageId("m9"))], {MINE: 1})
        assert index.cursor(MINE) == 1

    def test_the_same_message_id_in_two_mailboxes_is_two_messages(self, index: SearchIndex) -> None:
        feed(index, document("m1", MINE, subject="alpha"), document("m1", OTHERS, subject="beta"))
        index.apply([], [(OTHERS, MessageId("m1"))], {})
        assert found(index, "alpha") == ["m1"]
        assert found(index, "", OTHERS) == []

    def test_a_dropped_mailbox_is_forgotten_and_no_other(self, index: SearchIndex) -> None:
        feed(index, document("m1", MINE, subject="alpha"), document("m1", OTHERS, subject="alpha"), seq=5)
        index.drop_mailbox(MINE)
        assert (found(index, "alpha"), index.cursor(MINE)) == ([], 0)
        assert (found(index, "alpha", OTHERS), index.cursor(OTHERS)) == (["m1"], 5)

    def test_spam_and_trash_stay_out_unless_named(self, index: SearchIndex) -> None:
        feed(index, *(document(name.lower(), subject="alpha", labels=(LabelId(name),)) for name in ALL_LABELS))
        assert set(found(index, "alpha")) == {"inbox", "l1", "l2"}
        assert set(found(index, "alpha in:spam")) == {"spam"}
        assert set(found(index, "alpha (in:inbox OR in:trash)")) == {"inbox", "trash"}
        assert len(found(index, "alpha in:anywhere")) == 5

    @pytest.mark.parametrize("limit", [1, 2, 7, 50])
    def test_pages_go_through_all_in_order_and_each_once(self, index: SearchIndex, limit: int) -> None:
        documents = random_documents(MINE, 60, seed=3)
        feed(index, *documents)
        everything = query("in:anywhere")
        pages, cursor = [], None
        for _ in range(60):
            hits = index.search(MINE, everything, limit=limit, cursor=cursor)
            assert hits.total == 60
            pages.append(hits.message_ids)
            cursor = hits.cursor
            if cursor is None:
                break
        assert all(len(page) == limit for page in pages[:-1])
        assert [message_id for page in pages for message_id in page] == expected(documents, everything)

    def test_a_page_goes_on_where_the_one_before_ended_though_messages_came_and_went(self, index: SearchIndex) -> None:
        feed(index, *(document(f"m{place}", listed_at=place, subject="alpha") for place in range(6)))
        first = index.search(MINE, query("alpha"), limit=2)
        feed(index, document("m9", listed_at=9, subject="alpha"))
        index.apply([], [(MINE, first.message_ids[-1])], {})
        assert index.search(MINE, query("alpha"), limit=2, cursor=first.cursor).message_ids == ("m3", "m2")

    @pytest.mark.parametrize(
        "cursor", ["", "x", "1", "1.", ".a", "1.a b", "1.a/b", "9" * 30 + ".a", "1.a\n", "１.a", "é"]
    )
    def test_a_cursor_that_was_never_given_is_refused(self, index: SearchIndex, cursor: str) -> None:
        with pytest.raises(SearchCursorInvalidError):
            index.search(MINE, query("alpha"), cursor=cursor)

    def test_texts_that_nobody_should_send_are_taken(self, index: SearchIndex) -> None:
        hostile = "\ud800 \x00 " + "a" * 70_000 + " " + "字" * 1_000 + " alpha"
        feed(
            index,
            document(
                subject=hostile,
                from_=(hostile, "", "@", "a@", "\ud800@x"),
                filenames=(hostile,),
                text=hostile,
                message_id_header=hostile,
                keywords=(hostile,),
                size=2**70,
                received_at=-(2**70),
                listed_at=2**70,
            ),
            document("m2", subject="beta"),
        )
        assert found(index, "alpha larger:1k") == ["m1"]
        assert found(index, "a" * 80) == ["m1"]
        assert found(index, "beta") == ["m2"]

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(q=queries)
    def test_it_finds_what_matches_in_memory(self, filled_index: SearchIndex, q: str) -> None:
        asked = query(q)
        hits = filled_index.search(MINE, asked, limit=100)
        assert list(hits.message_ids) == expected(random_documents(MINE, 80, seed=1), asked)
        assert hits.total == len(hits.message_ids)

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=8), data=st.data())
    def test_it_finds_any_text_as_memory_does(self, index: SearchIndex, texts: list[str], data: st.DataObject) -> None:
        mailbox_id = MailboxId(f"b{next(_numbers)}")
        documents = [document(f"m{place}", mailbox_id, text=text) for place, text in enumerate(texts)]
        feed(index, *documents)
        for text in texts:
            start = data.draw(st.integers(0, len(text)))
            try:
                asked = query(text[start : data.draw(st.integers(start, len(text)))])
            except QueryInvalidError:
                continue
            hits = index.search(mailbox_id, asked, limit=100)
            assert list(hits.message_ids) == expected(documents, asked)

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(q=escapes)
    def test_no_query_reaches_another_mailbox(self, filled_index: SearchIndex, q: str) -> None:
        try:
            asked = query(q)
        except QueryInvalidError:
            return
        hits = filled_index.search(MINE, asked, limit=100)
        assert not [message_id for message_id in hits.message_ids if message_id.startswith("secret")]
        assert hits.total <= 80

    def test_everything_is_everything_of_one_mailbox(self, filled_index: SearchIndex) -> None:
        assert filled_index.search(MINE, Query(Everything(), anywhere=True), limit=1).total == 80
        assert filled_index.search(MailboxId("a"), Query(Everything(), anywhere=True), limit=1).total == 0
