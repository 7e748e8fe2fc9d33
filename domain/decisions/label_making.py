"""Labels made on the way to something else: along a path, its missing parents first."""

from domain.decisions.appending import Appending
from domain.events import LabelCreated
from domain.ids import LabelId
from domain.labels import LabelTree


def grow(appending: Appending, tree: LabelTree, names: list[str]) -> LabelId | None:
    """The label at the end of this path, made where it is missing; None for the top."""
    parent_id: LabelId | None = None
    for name in names:
        parent_id = tree.child(parent_id, name) or make(appending, tree, parent_id, name)
    return parent_id


def make(
    appending: Appending,
    tree: LabelTree,
    parent_id: LabelId | None,
    name: str,
    *,
    sort_order: int = 0,
    subscribed: bool = True,
) -> LabelId:
    """`LabelCreated`; its id.

    Raises:
        LabelInvalidError: the mailbox has as many as it may.
    """
    tree.require_few()
    label_id = LabelId(appending.context.new_id("l"))
    tree.add(label_id, parent_id, name)
    appending.begin_uids(label_id)
    appending.add(
        LabelCreated(
            label_id=label_id,
            name=name,
            parent_id=parent_id,
            role=None,
            uid_validity=appending.give_uid_validity(),
            sort_order=sort_order,
            subscribed=subscribed,
        )
    )
    return label_id
