"""The owner's own labels: made, renamed, moved, emptied, deleted."""

from domain.decisions.appending import Answer, Appending, MailboxDecision, remaining_messages
from domain.decisions.delivery import ARCHIVE
from domain.decisions.label_making import grow, make
from domain.decisions.relabelling import move
from domain.events import LabelChanged, LabelDeleted
from domain.ids import LabelId, MessageId
from domain.labels import LabelTree, is_system, require_depth, segments
from domain.refusals import LabelHasChildrenError, LabelInvalidError, LabelNotEmptyError, LabelReservedError
from domain.rows import LabelRow, Needs


class _OfTree(MailboxDecision, frozen=True, kw_only=True):
    """What looks at all labels."""

    def needs(self) -> Needs:
        """Every label."""
        return Needs(all_labels=True)


class CreateLabel(_OfTree, frozen=True, kw_only=True):
    """Makes the label of this path, and its parents where they are missing. Answers its id."""

    path: str
    sort_order: int = 0
    subscribed: bool = True

    def gather(self, appending: Appending) -> Answer:
        """`LabelCreated`, one a label made, from the top."""
        tree = LabelTree(appending.rows.all_labels())
        *above, leaf = segments(self.path)
        parent_id = grow(appending, tree, above)
        tree.require_free(parent_id, leaf)
        made = make(appending, tree, parent_id, leaf, sort_order=self.sort_order, subscribed=self.subscribed)
        return {"id": made}


class ChangeLabel(_OfTree, frozen=True, kw_only=True):
    """Renames or moves a label (`path`, whose missing parents are made), orders it, subscribes it; None stays as it is.

    A system label keeps its path.
    """

    label_id: LabelId
    path: str | None = None
    sort_order: int | None = None
    subscribed: bool | None = None

    def gather(self, appending: Appending) -> Answer:
        """`LabelCreated` for missing parents, `LabelChanged` where anything changes."""
        row = appending.label(self.label_id)
        name, parent_id = (row.name, row.parent_id) if self.path is None else self._place(appending, self.path)
        changed = LabelChanged(
            label_id=self.label_id,
            name=name,
            parent_id=parent_id,
            sort_order=row.sort_order if self.sort_order is None else self.sort_order,
            subscribed=row.subscribed if self.subscribed is None else self.subscribed,
        )
        if changed != _as_it_is(row):
            appending.add(changed)
        return {}

    def _place(self, appending: Appending, path: str) -> tuple[str, LabelId | None]:
        """The leaf name and the parent that the path leads to, neither of them below the label itself."""
        _require_own(self.label_id)
        tree = LabelTree(appending.rows.all_labels())
        *above, leaf = segments(path)
        require_depth(len(above) + tree.height(self.label_id))
        parent_id = grow(appending, tree, above)
        if self.label_id in tree.line(parent_id):
            raise LabelInvalidError("a label cannot be moved below itself")
        tree.require_free(parent_id, leaf, but=self.label_id)
        return leaf, parent_id


class EmptyLabelPart(MailboxDecision, frozen=True, kw_only=True):
    """Takes those of these messages that are in it out of a label that is to be deleted. Safe to repeat."""

    label_id: LabelId
    ids: tuple[MessageId, ...]

    def needs(self) -> Needs:
        """The messages with their threads."""
        return Needs(messages=self.ids, siblings=True, labels=(self.label_id, ARCHIVE))

    def gather(self, appending: Appending) -> Answer:
        """`LabelsChanged`."""
        _require_own(self.label_id)
        appending.label(self.label_id)
        held = remaining_messages(appending.rows, self.ids)
        move(appending, [(message, (), (self.label_id,)) for message in held if self.label_id in message.labels])
        return {}


class DeleteLabel(_OfTree, frozen=True, kw_only=True):
    """Deletes a label that is empty and has no children."""

    label_id: LabelId

    def gather(self, appending: Appending) -> Answer:
        """`LabelDeleted`."""
        row = appending.label(self.label_id)
        _require_own(self.label_id)
        if LabelTree(appending.rows.all_labels()).has_children(self.label_id):
            raise LabelHasChildrenError("delete the labels below it first", label_id=self.label_id)
        if row.total:
            raise LabelNotEmptyError("empty it first", label_id=self.label_id, total=row.total)
        appending.add(LabelDeleted(label_id=self.label_id))
        return {}


def _as_it_is(row: LabelRow) -> LabelChanged:
    return LabelChanged(
        label_id=row.label_id,
        name=row.name,
        parent_id=row.parent_id,
        sort_order=row.sort_order,
        subscribed=row.subscribed,
    )


def _require_own(label_id: LabelId) -> None:
    if is_system(label_id):
        raise LabelReservedError("a system label stays as it is", label_id=label_id)
