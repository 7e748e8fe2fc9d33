"""Rows that were read ahead of the batch that changed them."""

import pytest

from domain.ids import LabelId, MailboxId, ThreadId
from domain.rows import MailboxRow, ReferenceRow, Rows, ThreadRow
from infra.rebuild_ahead import Folded, laid_over
from projections.in_step import Touched

INBOX, T1, T2 = LabelId("INBOX"), ThreadId("t1"), ThreadId("t2")


def thread(thread_id: ThreadId, total: int) -> ThreadRow:
    return ThreadRow(INBOX, thread_id, total, 0, 0, 1, 1)


def rows(*threads: ThreadRow) -> Rows:
    made = Rows(MailboxRow(MailboxId("m1")))
    made.threads = {(row.thread_id, row.label_id): row for row in threads}
    return made


def test_what_the_batch_before_touched_is_laid_over_what_was_read_and_the_rest_stays() -> None:
    read = rows(thread(T1, 1), thread(T2, 5))
    made = rows(thread(T1, 2), thread(T2, 4))
    made.references["r1"] = ReferenceRow("r1", T1, 1)
    before = Folded(made, Touched(threads={(T1, INBOX): None}, references={"r1": None}))
    assert laid_over(read, [before])
    assert read.threads == {(T1, INBOX): thread(T1, 2), (T2, INBOX): thread(T2, 5)}
    assert read.references == made.references


def test_of_two_batches_before_the_later_one_is_laid_over_the_earlier() -> None:
    read = rows(thread(T1, 1))
    earlier = Folded(rows(thread(T1, 2), thread(T2, 1)), Touched(threads={(T1, INBOX): None, (T2, INBOX): None}))
    later = Folded(rows(thread(T1, 3)), Touched(threads={(T1, INBOX): None}))
    assert laid_over(read, [earlier, later])
    assert read.threads == {(T1, INBOX): thread(T1, 3), (T2, INBOX): thread(T2, 1)}


@pytest.mark.parametrize("unknown", [Folded(rows(), Touched(threads_led=[(T1, T2)])), None])
@pytest.mark.parametrize("place", [0, 1])
def test_after_joined_threads_or_rows_that_were_spoilt_what_was_read_ahead_is_not_used(
    unknown: Folded | None, place: int
) -> None:
    before: list[Folded | None] = [Folded(rows(), Touched())]
    before.insert(place, unknown)
    assert not laid_over(rows(), before)
