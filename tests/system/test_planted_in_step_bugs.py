"""Bugs planted one at a time into the views in step are found: a rebuild with them differs from the fold."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import projections.in_step
from domain.ids import MailboxId
from domain.mailbox_state import MailboxState, difference
from infra.rebuild import rebuild_mailbox
from tests.domain.histories import History, random_history, rich_history
from tests.domain.planted_bugs import BUGS, planted_bugs
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import rows_of
from tests.system.recorded_history import record_and_rebuild

SOURCES = {path.name: path.read_text() for path in Path(projections.in_step.__file__).parent.glob("*.py")}


class Bug(NamedTuple):
    """This text, which stands once in `projections/in_step`, becomes that."""

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
    Bug("a deletion frees no room", "step.use(-row.size)", "step.use(0)"),
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
    histories = {"rich": rich_history(), "one": random_history(1), "two": random_history(2), "late": _late_join()}
    return {
        record_and_rebuild(given, f"{name}-{which}", history.events): MailboxState.replay(history.events)
        for which, history in histories.items()
    }


def _late_join() -> History:
    """A conversation joined to another when what refers to it was written many batches before: no batch has it left."""
    history = History()
    history.open()
    history.deliver("a1", thread="ta", refs=("r1",))
    history.deliver("b1", thread="tb", refs=("r2",))
    for number in range(80):
        history.keywords("a1", **{"removed" if number % 2 else "added": ("work",)})
    history.join(into="ta", from_="tb")
    return history


@pytest.fixture
def with_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Bug], Callable[..., Any]]]:
    """Makes `changes` as it is with a bug: the package copied under another name, one text in it replaced."""
    name = f"planted_{tmp_path.name.replace('-', '_')}"
    monkeypatch.syspath_prepend(tmp_path)

    def planted(bug: Bug) -> Callable[..., Any]:
        found = sum(source.count(bug.right) for source in SOURCES.values())
        assert found == 1, f"{bug.right!r} stands there {found} times: plant anew"
        (tmp_path / name).mkdir()
        for file, source in SOURCES.items():
            renamed = source.replace("projections.in_step", name)
            (tmp_path / name / file).write_text(renamed.replace(bug.right, bug.wrong))
        changes: Callable[..., Any] = importlib.import_module(name).changes
        return changes

    yield planted
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.mark.parametrize("bug", IN_STEP_BUGS, ids=[bug.name for bug in IN_STEP_BUGS])
def test_a_bug_planted_in_the_views_in_step_is_found_by_the_fold(
    bug: Bug,
    given: GivenMailboxes,
    spoilt: dict[MailboxId, MailboxState],
    with_bug: Callable[[Bug], Callable[..., Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.rebuild_folding.changes", with_bug(bug))
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
