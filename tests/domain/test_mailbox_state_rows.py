"""The dump of the fold has the fields of the stored rows, so that the two can be compared."""

import msgspec
import pytest

from domain import rows as r
from domain.mailbox_state import MailboxState, difference
from domain.mailbox_state.row_dump import TABLES, UNTOLD
from tests.domain.histories import rich_history

STRUCTS = {
    "mailbox": r.MailboxRow,
    "messages": r.MessageRow,
    "memberships": r.MembershipRow,
    "labels": r.LabelRow,
    "threads": r.ThreadRow,
    "references": r.ReferenceRow,
    "drafts": r.DraftRow,
    "submissions": r.SubmissionRow,
    "documents": r.DocumentRow,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_the_fields_of_its_row_in_their_order(table: str) -> None:
    dump = MailboxState.replay(rich_history().events).rows()[table]
    told = [name for name in STRUCTS[table].__struct_fields__ if name not in UNTOLD.get(table, ())]
    assert dump
    assert all(list(row) == told for row in dump.values())


def test_stored_rows_may_be_structs_with_fields_that_no_event_tells() -> None:
    dump = MailboxState.replay(rich_history().events).rows()
    stored = {table: {key: _struct(table, row) for key, row in rows.items()} for table, rows in dump.items()}
    assert difference(dump, stored) == []


def _struct(table: str, row: dict) -> msgspec.Struct:
    known = {"mailbox_id": "x"} if table == "mailbox" else {}
    return STRUCTS[table](**known, **row)
