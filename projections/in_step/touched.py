"""Which rows the events changed."""

import msgspec

from domain.ids import DraftId, LabelId, MessageId, SubmissionId, ThreadId


class Touched(msgspec.Struct):
    """The keys of the rows that the events changed, by table, in the order of their first change."""

    messages: dict[MessageId, None] = msgspec.field(default_factory=dict)
    memberships: dict[tuple[LabelId, int], None] = msgspec.field(default_factory=dict)
    labels: dict[LabelId, None] = msgspec.field(default_factory=dict)
    threads: dict[tuple[ThreadId, LabelId], None] = msgspec.field(default_factory=dict)
    references: dict[str, None] = msgspec.field(default_factory=dict)
    drafts: dict[DraftId, None] = msgspec.field(default_factory=dict)
    submissions: dict[SubmissionId, None] = msgspec.field(default_factory=dict)
    documents: dict[tuple[str, str], None] = msgspec.field(default_factory=dict)
    threads_led: list[tuple[ThreadId, ThreadId]] = msgspec.field(default_factory=list)
    """(from, into): every reference that leads to `from` leads to `into`; written as one statement, before the rows."""
