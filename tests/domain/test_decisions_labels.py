"""The owner's own labels: a tree of names, unique among siblings ignoring case."""

import pytest

from domain import refusals
from domain.decisions import ChangeLabel, CreateLabel, DeleteLabel, EmptyLabelPart, Modify
from domain.events import LabelChanged, LabelCreated, LabelDeleted, LabelsChanged
from domain.labels import LabelTree, folded, segments
from tests.domain.decided_mailbox import NOW_MS, DecidedMailbox


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def create(mailbox: DecidedMailbox, path: str) -> str:
    return str(mailbox.run(CreateLabel, path=path).answer["id"])


def path_of(mailbox: DecidedMailbox, label_id: str) -> str:
    names, at = [], label_id
    while at is not None:
        names.append(mailbox.rows.labels[at].name)
        at = mailbox.rows.labels[at].parent_id
    return "/".join(reversed(names))


def test_missing_parents_are_made_with_uid_validities_of_their_own(mailbox: DecidedMailbox) -> None:
    decided = mailbox.run(CreateLabel, path="Work/Clients/Ann")
    work, clients, ann = decided.events
    assert all(isinstance(event, LabelCreated) for event in decided.events)
    assert [event.name for event in decided.events] == ["Work", "Clients", "Ann"]
    assert (work.parent_id, clients.parent_id, ann.parent_id) == (None, work.label_id, clients.label_id)
    assert [event.uid_validity for event in decided.events] == [NOW_MS // 1000 + n for n in (6, 7, 8)]
    assert decided.answer == {"id": ann.label_id}
    assert mailbox.reads == 1


def test_parents_that_stand_are_found_ignoring_case(mailbox: DecidedMailbox) -> None:
    work = create(mailbox, "Work")
    (event,) = mailbox.run(CreateLabel, path="WORK/Later").events
    assert event.parent_id == work


@pytest.mark.parametrize("again", ["Straße", "STRASSE", "Strasse"])
def test_siblings_differ_by_more_than_case(mailbox: DecidedMailbox, again: str) -> None:
    create(mailbox, "straße")
    with pytest.raises(refusals.LabelExistsError):
        create(mailbox, again)


def test_names_are_kept_in_composed_form(mailbox: DecidedMailbox) -> None:
    assert mailbox.rows.labels[create(mailbox, "Cafe\u0301")].name == "Caf\u00e9"


@pytest.mark.parametrize("name", ["INBOX", "inbox", "Sent", "spam"])
def test_no_label_at_the_top_is_named_like_a_system_label(mailbox: DecidedMailbox, name: str) -> None:
    with pytest.raises(refusals.LabelReservedError):
        create(mailbox, name)
    create(mailbox, f"Old/{name}")


@pytest.mark.parametrize(
    "path",
    ["", "/", "a//b", "a/", " ", "a\x00b", "a\nb", "a\u2028b", "x" * 256, "é" * 128, "\ud800", "/".join("a" * 21)],
)
def test_what_is_no_path_of_names_is_refused(mailbox: DecidedMailbox, path: str) -> None:
    with pytest.raises(refusals.LabelInvalidError):
        create(mailbox, path)


def test_twenty_names_and_255_octets_are_still_a_path() -> None:
    assert len(segments("/".join("a" * 20))) == 20
    assert segments("é" * 127) == ("é" * 127,)


def test_ten_thousand_labels_are_the_most(mailbox: DecidedMailbox) -> None:
    tree = LabelTree(mailbox.rows.labels.values())
    for n in range(10_000 - 6):
        tree.add(f"l{n}", None, f"label {n}")
    with pytest.raises(refusals.LabelInvalidError):
        tree.require_few()


def test_renaming_and_moving_keep_the_id(mailbox: DecidedMailbox) -> None:
    label_id = create(mailbox, "Ann")
    parent, changed = mailbox.run(ChangeLabel, label_id=label_id, path="People/Anna").events
    assert isinstance(parent, LabelCreated)
    assert changed == LabelChanged(
        label_id=label_id, name="Anna", parent_id=parent.label_id, sort_order=0, subscribed=True
    )
    assert path_of(mailbox, label_id) == "People/Anna"


def test_a_label_may_change_the_case_of_its_own_name_only(mailbox: DecidedMailbox) -> None:
    ann = create(mailbox, "ann")
    create(mailbox, "bob")
    mailbox.run(ChangeLabel, label_id=ann, path="Ann")
    with pytest.raises(refusals.LabelExistsError):
        mailbox.run(ChangeLabel, label_id=ann, path="Bob")
    with pytest.raises(refusals.LabelReservedError):
        mailbox.run(ChangeLabel, label_id=ann, path="Trash")


def test_a_change_to_what_is_appends_nothing(mailbox: DecidedMailbox) -> None:
    ann = create(mailbox, "ann")
    assert mailbox.run(ChangeLabel, label_id=ann, path="ann", sort_order=0, subscribed=True).events == ()


@pytest.mark.parametrize("path", ["a/x", "a/b/x", "A/b/c/d"])
def test_no_label_moves_below_itself(mailbox: DecidedMailbox, path: str) -> None:
    create(mailbox, "a/b")
    a = next(row.label_id for row in mailbox.rows.labels.values() if row.name == "a")
    with pytest.raises(refusals.LabelInvalidError):
        mailbox.run(ChangeLabel, label_id=a, path=path)


def test_a_move_counts_the_depth_of_what_hangs_below(mailbox: DecidedMailbox) -> None:
    create(mailbox, "/".join("abcdefghij"))
    a = next(row.label_id for row in mailbox.rows.labels.values() if row.name == "a")
    mailbox.run(ChangeLabel, label_id=a, path="/".join("zyxwvutsrq") + "/a")
    with pytest.raises(refusals.LabelInvalidError):
        mailbox.run(ChangeLabel, label_id=a, path="/".join("zyxwvutsrqp") + "/a")


def test_a_system_label_keeps_its_path_but_may_be_ordered_and_unsubscribed(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.LabelReservedError):
        mailbox.run(ChangeLabel, label_id="INBOX", path="Eingang")
    (event,) = mailbox.run(ChangeLabel, label_id="SPAM", sort_order=9, subscribed=False).events
    assert (event.name, event.sort_order, event.subscribed) == ("SPAM", 9, False)


def test_an_emptied_label_without_children_can_be_deleted(mailbox: DecidedMailbox) -> None:
    below = create(mailbox, "a/b")
    a = mailbox.rows.labels[below].parent_id
    one = mailbox.deliver()
    mailbox.run(Modify, ids=(one,), add_labels=(below,), remove_labels=("INBOX",))
    with pytest.raises(refusals.LabelHasChildrenError):
        mailbox.run(DeleteLabel, label_id=a)
    with pytest.raises(refusals.LabelNotEmptyError):
        mailbox.run(DeleteLabel, label_id=below)
    assert mailbox.run(EmptyLabelPart, label_id=below, ids=(one, "egone")).events == (
        LabelsChanged(message_ids=(one,), added=("ARCHIVE",), removed=(below,), uids={"ARCHIVE": 1}),
    )
    assert mailbox.run(EmptyLabelPart, label_id=below, ids=(one,)).events == ()
    assert mailbox.run(DeleteLabel, label_id=below).events == (LabelDeleted(label_id=below),)
    assert mailbox.run(DeleteLabel, label_id=a).events == (LabelDeleted(label_id=a),)
    assert create(mailbox, "a/b") != below


@pytest.mark.parametrize("kind", [DeleteLabel, ChangeLabel])
def test_an_unknown_label_is_refused(mailbox: DecidedMailbox, kind: type) -> None:
    with pytest.raises(refusals.LabelUnknownError):
        mailbox.run(kind, label_id="lgone")


@pytest.mark.parametrize("fields", [{}, {"ids": ()}])
def test_a_system_label_is_neither_deleted_nor_emptied_away(mailbox: DecidedMailbox, fields: dict[str, object]) -> None:
    with pytest.raises(refusals.LabelReservedError):
        mailbox.run(EmptyLabelPart if fields else DeleteLabel, label_id="INBOX", **fields)


def test_folding_ignores_case_and_composition() -> None:
    assert folded("CAFE\u0301") == folded("caf\u00e9")
