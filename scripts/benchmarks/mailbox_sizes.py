"""What a mailbox's size costs: every hot question and change, timed in turns in a small and in a large mailbox."""

import time
from collections.abc import Callable, Iterator
from itertools import count

import msgspec

from domain.decisions.delivery import INBOX
from domain.decisions.modifying import Modify
from domain.ids import MailboxId, MessageId
from domain.search_language import parse
from scripts.benchmarks.mails import COMMON, RARE, delivery
from scripts.benchmarks.report import Figure, absolute, compared, ms, p50
from scripts.benchmarks.stage import Stage, say
from scripts.benchmarks.two_mailboxes import TwoMailboxes, two_mailboxes

ROW = "sizes"
PAGE = 50
DEEP_PAGE = 1000
MOST = 1.2

Act = Callable[[MailboxId], object]


class _Question(msgspec.Struct, frozen=True):
    """What is timed: `before` prepares each time, outside the time; `most_ms` is a goal in the large mailbox."""

    name: str
    act: Act
    writes: bool = False
    before: Act | None = None
    most_ms: float | None = None


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `sizes`."""
    two = two_mailboxes(stage)
    small, large = (holder.mailbox_id for holder in two.both)
    for question in _questions(two):
        say(f"{ROW}: {question.name}")
        times = _timed(question, (small, large), stage.sizes.writes if question.writes else stage.sizes.reads)
        there, here = ms(p50(times[large])), ms(p50(times[small]))
        peer = f"with {stage.sizes.small:,} messages"
        yield compared(
            ROW, f"{question.name}, p50 with {stage.sizes.large:,}", there, "ms", peer=peer, peer_value=here, most=MOST
        )
        if question.most_ms is not None:
            yield absolute(ROW, f"{question.name}, p50 with {stage.sizes.large:,}", there, "ms", most=question.most_ms)


def _timed(question: _Question, mailboxes: tuple[MailboxId, ...], times: int) -> dict[MailboxId, list[float]]:
    taken: dict[MailboxId, list[float]] = {mailbox_id: [] for mailbox_id in mailboxes}
    for turn in range(times + 5):
        for mailbox_id in mailboxes if turn % 2 else reversed(mailboxes):
            if question.before is not None:
                question.before(mailbox_id)
            began = time.perf_counter()
            question.act(mailbox_id)
            if turn >= 5:  # the first ones warm plans and caches
                taken[mailbox_id].append(time.perf_counter() - began)
    return taken


def _questions(two: TwoMailboxes) -> Iterator[_Question]:
    store, lists, facts = two.store, two.store.lists, two.store.facts
    boxes = [holder.mailbox_id for holder in two.both]
    heads = {box: _head(two, box) for box in boxes}
    yield _Question(
        "/sync one event behind (reader)",
        lambda box: store.reader.page(box, heads[box] - 1, limit=500).to_json(),
        most_ms=1.5,
    )
    yield _Question("first page of 50", lambda box: lists.messages(box, label=INBOX, limit=PAGE), most_ms=4.0)
    deep = {box: _deep_cursor(two, box) for box in boxes}
    depth = " and ".join(f"{pages:,}" for pages, _ in deep.values())
    yield _Question(
        f"page by cursor ({depth} pages down)",
        lambda box: lists.messages(box, label=INBOX, limit=PAGE, cursor=deep[box][1]),
    )
    yield _Question("unread page of 50", lambda box: lists.messages(box, label=INBOX, unread=True, limit=PAGE))
    yield _Question("counts", facts.counts)
    yield from _searches(two)
    yield from _changes(two, boxes)
    for box in boxes:
        for one in _newest(two, box, 10):
            _flag(two, box, (one,))
    reached = {box: _head(two, box) for box in boxes}
    yield _Question("fold of 10 changes", lambda box: facts.net_changes(box, reached[box] - 10, limit=500))


def _searches(two: TwoMailboxes) -> Iterator[_Question]:
    for word, told, most_ms in ((RARE, "a rare word", 5.0), (COMMON, "a word in every fourth mail", 10.0)):
        query = parse(word, time.time_ns() // 1_000_000)

        def search(box: MailboxId, query: object = query) -> object:
            hits = two.index.search(box, query, limit=PAGE)  # type: ignore[arg-type]
            return two.store.lists.summaries(box, list(hits.message_ids))

        found = [two.index.search(holder.mailbox_id, query, limit=PAGE).total for holder in two.both]
        yield _Question(f"search {told}, 50 summaries ({found[0]:,} and {found[1]:,} hits)", search, most_ms=most_ms)


def _changes(two: TwoMailboxes, boxes: list[MailboxId]) -> Iterator[_Question]:
    def deliver(box: MailboxId) -> None:
        two.next_number[box] += 1
        two.store.lane.run(delivery(box, two.next_number[box], blob=two.next_number[box] % 1000))

    yield _Question("delivery", deliver, writes=True)
    for many in (1, 100):
        ids = {box: tuple(_newest(two, box, many)) for box in boxes}
        yield _Question(f"modify of {many}", lambda box, ids=ids: _flag(two, box, ids[box]), writes=True)  # type: ignore[misc]


_turns = count()


def _flag(two: TwoMailboxes, box: MailboxId, ids: tuple[MessageId, ...]) -> None:
    """Star or unstar: whatever they are not, so that every call appends."""
    turn = next(_turns)
    starred = _starred.setdefault((box, ids), False)
    _starred[box, ids] = not starred
    change = {"remove_keywords": ("$flagged",)} if starred else {"add_keywords": ("$flagged",)}
    two.store.lane.run(Modify(mailbox_id=box, command_id=f"flag:{turn}", ids=ids, **change))


_starred: dict[tuple[MailboxId, tuple[MessageId, ...]], bool] = {}


def _head(two: TwoMailboxes, box: MailboxId) -> int:
    head = two.store.facts.head(box)
    return 0 if head is None else head.seq


def _deep_cursor(two: TwoMailboxes, box: MailboxId) -> tuple[int, str | None]:
    """The cursor of page 1,000, or of the last full page where there are fewer; and how many pages down that is."""
    cursor, pages = None, 0
    while pages < DEEP_PAGE - 1:
        page = two.store.lists.messages(box, label=INBOX, limit=PAGE, cursor=cursor)
        if page.cursor is None:
            break
        following = two.store.lists.messages(box, label=INBOX, limit=PAGE, cursor=page.cursor)
        if len(following.rows) < PAGE:
            break
        cursor, pages = page.cursor, pages + 1
    return pages, cursor


class _Shown(msgspec.Struct):
    id: MessageId


def _newest(two: TwoMailboxes, box: MailboxId, many: int) -> list[MessageId]:
    """Ids of the newest messages."""
    found: list[MessageId] = []
    cursor = None
    while len(found) < many:
        page = two.store.lists.messages(box, label=INBOX, limit=min(many, PAGE), cursor=cursor)
        found += [msgspec.json.decode(row, type=_Shown).id for row in page.rows]
        cursor = page.cursor
    return found[:many]
