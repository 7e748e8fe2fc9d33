"""Rows that were read ahead of the batch that changed them."""

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
    assert laid_over(read, before)
    assert read.threads == {(T1, INBOX): thread(T1, 2), (T2, INBOX): thread(T2, 5)}
    assert read.references == made.references


def test_after_joined_threads_rows_that_were_read_ahead_are_not_used() -> None:
    assert not laid_over(rows(), Folded(rows(), Touched(threads_led=[(T1, T2)])))
