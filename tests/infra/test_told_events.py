"""A stream in words."""

import msgspec

from domain import events as e
from domain.events import RecordedEvent, Who
from domain.ids import LabelId, MessageId, ThreadId
from infra.told_events import EventWords

DELIVERED = e.MessageDelivered(
    id=MessageId("e1"),
    thread_id=ThreadId("t1"),
    received_at="2026-11-22T05:00:00.000Z",
    listed_at="2026-11-22T05:00:00.000Z",
    size=10,
    labels=(LabelId("l1"),),
    keywords=("$seen",),
    has_attachment=False,
    source="inbound",
    uids={LabelId("l1"): 1},
)
PERSONAL = e.MessagePersonal(from_=(e.Mailaddress("Bob", "bob@elsewhere.test"),), subject="Lunch\x1b[31m?")
MADE = e.LabelCreated(
    label_id=LabelId("l1"), name="Food", parent_id=None, role=None, uid_validity=1, sort_order=0, subscribed=True
)


def line(words: EventWords, event: e.Event | None, *, redacted: bool = False, **who: str) -> str:
    return str(words.line(RecordedEvent(7, "MessageDelivered", 0, event, Who(**who), redacted)))


def test_a_line_says_who_did_what_and_how() -> None:
    words = EventWords("ann@example.test")
    words.learn(RecordedEvent(1, "LabelCreated", 0, MADE))
    delivered = e.MessageDelivered(**{name: getattr(DELIVERED, name) for name in DELIVERED.__struct_fields__[:10]})
    told = line(words, delivered, actor="owner", client="web", protocol="http", address="192.0.2.1")
    assert told.endswith(
        "7  1970-01-01T00:00:00.000Z  ann@example.test  delivered message e1 into Food as $seen"
        "  (web, http, from 192.0.2.1)"
    )


def test_what_a_stranger_wrote_can_neither_end_a_line_nor_steer_a_terminal() -> None:
    words = EventWords("ann@example.test")
    fields = {name: getattr(DELIVERED, name) for name in DELIVERED.__struct_fields__} | {"personal": PERSONAL}
    told = line(words, e.MessageDelivered(**fields), actor="system", client="a\nb")
    assert 'system  delivered "Lunch\ufffd[31m?" from bob@elsewhere.test into l1' in told
    assert not {"\x1b", "\n"} & set(told)


def test_what_was_destroyed_is_shown_as_redacted() -> None:
    words = EventWords("ann@example.test")
    assert line(words, None).endswith("system  MessageDelivered [redacted]")
    assert line(words, DELIVERED, redacted=True).endswith("delivered message e1 into l1 as $seen [redacted]")


def test_every_kind_of_event_has_a_line() -> None:
    words = EventWords("ann@example.test")
    for kind in e.EVENT_TYPES:
        fields = {field.name: _made(str(field.type)) for field in _required(kind)}
        assert line(words, kind(**fields))


def _required(kind: type[e.Event]) -> list[msgspec.structs.FieldInfo]:
    return [field for field in msgspec.structs.fields(kind) if field.required]


def _made(annotation: str) -> object:
    if "tuple" in annotation:
        return ("e1", "e2", "e3", "e4")
    if "dict" in annotation:
        return {"INBOX": 1}
    return 5 if annotation == "<class 'int'>" else "text"


def test_a_label_is_called_by_its_path() -> None:
    words = EventWords("ann@example.test")
    words.learn(RecordedEvent(1, "LabelCreated", 0, MADE))
    below = msgspec.structs.replace(MADE, label_id=LabelId("l2"), name="2019", parent_id=LabelId("l1"))
    assert line(words, below).endswith("  made the label Food/2019")
    moved = e.LabelsChanged(message_ids=(MessageId("e1"),), added=(LabelId("l2"),), removed=(), uids={LabelId("l2"): 1})
    assert line(words, moved).endswith("  moved e1 into Food/2019")
    assert line(words, msgspec.structs.replace(MADE, name="Fare")).endswith("  made the label Fare")
    assert line(words, e.LabelDeleted(label_id=LabelId("l2"))).endswith("  deleted the label Fare/2019")


def test_a_sign_in_says_only_what_is_known() -> None:
    words = EventWords("ann@example.test")
    came = e.SignedIn(session_id="n1", address="127.0.0.1", client="", protocol="http")
    assert line(words, came).endswith("  signed in from 127.0.0.1")
    assert line(words, msgspec.structs.replace(came, client="phone")).endswith("  signed in from 127.0.0.1 with phone")
    assert line(words, msgspec.structs.replace(came, address="")).endswith("  signed in")
