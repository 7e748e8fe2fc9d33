"""Comparing row dumps finds every planted bug, and finds nothing where there is none."""

import pytest

from domain.mailbox_state import MailboxState, difference
from tests.domain.histories import rich_history
from tests.domain.planted_bugs import BUGS, planted_bugs

CLEAN = MailboxState.replay(rich_history().events).rows()


@pytest.mark.parametrize(("name", "planted"), planted_bugs(), ids=[bug.name for bug in BUGS])
def test_every_planted_bug_shows_as_a_difference(name: str, planted: type[MailboxState]) -> None:
    assert planted is not MailboxState
    assert difference(CLEAN, planted.replay(rich_history().events).rows()), name


def test_a_second_fold_of_the_same_history_does_not_differ() -> None:
    assert difference(CLEAN, MailboxState.replay(rich_history().events).rows()) == []


def test_a_difference_names_table_key_field_and_both_values() -> None:
    other = MailboxState.replay(rich_history().events).rows()
    other["labels"]["INBOX"]["total"] = 99
    del other["drafts"]["d1"]
    inbox = CLEAN["labels"]["INBOX"]["total"]
    assert difference(CLEAN, other) == [f"labels['INBOX'].total: {inbox} != 99", "drafts['d1']: only in the one"]


def test_json_bodies_are_compared_by_what_they_say() -> None:
    other = MailboxState.replay(rich_history().events).rows()
    other["documents"]["vacation", ""]["body"] = b'{ "enabled" : true }'
    assert difference(CLEAN, other) == []
    other["documents"]["vacation", ""]["body"] = b'{"enabled":false}'
    assert len(difference(CLEAN, other)) == 1
