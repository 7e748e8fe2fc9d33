"""Mailboxes by the names that scripts give them."""

from collections.abc import Iterable

from domain.events import SYSTEM_LABELS
from domain.ids import LabelId
from domain.labels import SEPARATOR, folded

_OTHER_NAMES = {"junk": "SPAM", "deleted messages": "TRASH", "deleted items": "TRASH", "sent items": "SENT"}
"""What clients call them, at the top."""


def path_key(path: str) -> str:
    """What two spellings of one path have in common: case, and the names that clients give the system's labels."""
    return folded(path.strip().removesuffix(SEPARATOR))


def paths(labels: Iterable[tuple[str, str | None, str]]) -> dict[str, LabelId]:
    """Of the live labels (id, parent, leaf name) of a mailbox the key of each one's path; the system's by each name.

    What the owner called so comes before another name of the system's.
    """
    known = {label_id: (parent, name) for label_id, parent, name in labels}
    found = {path_key(name): LabelId(label_id) for name, label_id in _OTHER_NAMES.items()}
    for label_id in known:
        found[path_key(_path(label_id, known))] = LabelId(label_id)
    return {**found, **{path_key(name): LabelId(name) for name in SYSTEM_LABELS}}


def _path(label_id: str, known: dict[str, tuple[str | None, str]]) -> str:
    names: list[str] = []
    at: str | None = label_id
    while at is not None and at in known and len(names) < len(known):
        parent, name = known[at]
        names.append(name)
        at = parent
    return SEPARATOR.join(reversed(names))
