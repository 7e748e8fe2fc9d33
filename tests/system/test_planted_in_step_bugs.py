"""Bugs planted one at a time into the views in step are found: a rebuild with them differs from the fold."""

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import projections.in_step
from domain.ids import MailboxId
from domain.mailbox_state import MailboxState, difference
from infra.rebuild import rebuild_mailbox
from tests.domain.histories import random_history, rich_history
from tests.domain.planted_bugs import BUGS, planted_bugs
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import rows_of
from tests.system.recorded_history import record_and_rebuild

SOURCE = Path(projections.in_step.__file__).read_text()


class Bug(NamedTuple):
    """This text, which stands once in `projections/in_step.py`, becomes that."""

    name: str
    right: str
    wrong: str


IN_STEP_BUGS = (
    Bug("a thread keeps the latest time of who left", "row.latest_at = self._latest(thread_id, label_id)", "pass"),
    Bug("a label's unread only grows", "label.unread += bool(now and now.unread) - bool(", "label.unread += bool("),
    Bug("threads of a label are never taken off", "label.threads += threads\n", "label.threads += max(threads, 0)\n"),
    Bug("a moved message stands where it stood", "thread_id=event.into, created_seq", "created_seq"),
    Bug("a moved message is no longer marked", "moved.deletion_mark if moved else False", "False"),
    Bug("a moved message entered only now", "moved.added_at if moved else self.at", "self.at"),
    Bug("the last reference wins", "if step.rows.reference(ref) is None:", "if ref:"),
    Bug(
        "references stay with the thread that was joined",
        "threads_led.append((event.from_, event.into))",
        "threads_led",
    ),
    Bug("a tombstone keeps the summary", "row.summary, row.snoozed_until = None, None", "row.snoozed_until = None"),
    Bug("a deletion frees no room", "step._use(-row.size)", "step._use(0)"),
    Bug("a uid is given twice", "max(label.next_uid, uid + 1)", "max(label.next_uid, uid)"),
    Bug(
        "a membership's keywords stand still",
        "membership.listed_at, membership.unread, membership.starred = row.listed_at, row.unread, row.starred",
        "membership.listed_at = row.listed_at",
    ),
)


@pytest.fixture(scope="module")
def given(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GivenMailboxes]:
    with given_mailboxes(module_database_url, tmp_path_factory.mktemp("planted")) as mailboxes:
        yield mailboxes


@pytest.fixture(scope="module")
def clean(given: GivenMailboxes) -> dict[MailboxId, MailboxState]:
    """The rich history and two random ones in the log, their rows rebuilt, and their folds."""
    return recorded(given, "clean")


@pytest.fixture(scope="module")
def spoilt(given: GivenMailboxes) -> dict[MailboxId, MailboxState]:
    """The same, to be rebuilt with bugs."""
    return recorded(given, "spoilt")


def recorded(given: GivenMailboxes, name: str) -> dict[MailboxId, MailboxState]:
    histories = {"rich": rich_history(), "one": random_history(1), "two": random_history(2)}
    return {
        record_and_rebuild(given, f"{name}-{which}", history.events): MailboxState.replay(history.events)
        for which, history in histories.items()
    }


def with_bug(bug: Bug) -> Callable[..., Any]:
    """`changes` as it is with the bug."""
    assert SOURCE.count(bug.right) == 1, f"{bug.right!r} stands there {SOURCE.count(bug.right)} times: plant anew"
    module = types.ModuleType("planted_in_step")
    sys.modules[module.__name__] = module
    try:
        exec(compile(SOURCE.replace(bug.right, bug.wrong), module.__name__, "exec"), vars(module))
    finally:
        del sys.modules[module.__name__]
    return vars(module)["changes"]


@pytest.mark.parametrize("bug", IN_STEP_BUGS, ids=[bug.name for bug in IN_STEP_BUGS])
def test_a_bug_planted_in_the_views_in_step_is_found_by_the_fold(
    bug: Bug, given: GivenMailboxes, spoilt: dict[MailboxId, MailboxState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.rebuild.changes", with_bug(bug))
    monkeypatch.setattr("infra.rebuild.BATCH_EVENTS", 7)
    monkeypatch.setattr("infra.rebuild.LAST_FEW_EVENTS", 0)

    def is_found_in(mailbox_id: MailboxId, state: MailboxState) -> bool:
        rebuild_mailbox(given.url, given.reader, mailbox_id, force=True)
        return difference(state.rows(), rows_of(given, mailbox_id)) != []

    assert any(is_found_in(mailbox_id, state) for mailbox_id, state in spoilt.items()), bug.name


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_without_a_bug_nothing_is_found(
    batch: int, given: GivenMailboxes, clean: dict[MailboxId, MailboxState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.rebuild.BATCH_EVENTS", batch)
    monkeypatch.setattr("infra.rebuild.LAST_FEW_EVENTS", 0)
    for mailbox_id, state in clean.items():
        assert rebuild_mailbox(given.url, given.reader, mailbox_id).differences == ()
        assert difference(state.rows(), rows_of(given, mailbox_id)) == []


@pytest.mark.parametrize(("name", "planted"), planted_bugs(), ids=[bug.name for bug in BUGS])
def test_a_bug_planted_in_the_fold_is_found_by_the_rows(
    name: str, planted: type[MailboxState], given: GivenMailboxes, clean: dict[MailboxId, MailboxState]
) -> None:
    folds = {mailbox_id: planted.replay(given.reader.recorded(mailbox_id)) for mailbox_id in clean}
    assert any(difference(fold.rows(), rows_of(given, mailbox_id)) for mailbox_id, fold in folds.items()), name
