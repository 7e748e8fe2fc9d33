"""What a label's name may be, and the tree that labels form: leaf names, unique among siblings ignoring case."""

import unicodedata
from collections.abc import Iterable

from domain.events import SYSTEM_LABELS
from domain.ids import LabelId
from domain.refusals import LabelExistsError, LabelInvalidError, LabelReservedError
from domain.rows import LabelRow

MAX_NAME_OCTETS = 255
MAX_DEPTH = 20
MAX_LABELS = 10_000
SEPARATOR = "/"

_MAX_PATH_CHARS = MAX_DEPTH * (MAX_NAME_OCTETS + 1)
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls, lone surrogates, and the separators of lines and paragraphs (RFC 9051 section 5.1)."""


def segments(path: str) -> tuple[str, ...]:
    """The leaf names along a path, from the top, in NFC.

    Raises:
        LabelInvalidError: a name is empty, above 255 octets of UTF-8 or has control characters, or they are too many.
    """
    if len(path) > _MAX_PATH_CHARS:
        raise LabelInvalidError("the path is too long")
    names = tuple(unicodedata.normalize("NFC", name) for name in path.split(SEPARATOR))
    require_depth(len(names))
    for name in names:
        _require_name(name)
    return names


def folded(name: str) -> str:
    """What two siblings may not have in common: the name ignoring case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_system(label_id: LabelId) -> bool:
    """Whether it is one of the six that every mailbox has."""
    return label_id in SYSTEM_LABELS


def require_depth(depth: int) -> None:
    """At most 20 names make a path.

    Raises:
        LabelInvalidError: there are more.
    """
    if depth > MAX_DEPTH:
        raise LabelInvalidError(f"labels nest at most {MAX_DEPTH} deep")


class LabelTree:
    """The live labels of a mailbox by parent and name. It is a picture of its own: adding to it changes no row."""

    def __init__(self, labels: Iterable[LabelRow]) -> None:
        self._parents: dict[LabelId, LabelId | None] = {}
        self._by_name: dict[tuple[LabelId | None, str], LabelId] = {}
        for label in labels:
            self.add(label.label_id, label.parent_id, label.name)

    def add(self, label_id: LabelId, parent_id: LabelId | None, name: str) -> None:
        """A label stands there."""
        self._parents[label_id] = parent_id
        self._by_name[parent_id, folded(name)] = label_id

    def child(self, parent_id: LabelId | None, name: str) -> LabelId | None:
        """The label of that name (ignoring case) under that parent."""
        return self._by_name.get((parent_id, folded(name)))

    def has_children(self, label_id: LabelId) -> bool:
        """Whether any label stands under it."""
        return label_id in self._parents.values()

    def line(self, label_id: LabelId | None) -> list[LabelId]:
        """The label and those above it, up to the top."""
        above: list[LabelId] = []
        while label_id is not None and label_id in self._parents:
            above.append(label_id)
            label_id = self._parents[label_id]
        return above

    def height(self, label_id: LabelId) -> int:
        """How many names the longest path from this label downwards has; 1 for a leaf."""
        lines = (self.line(other) for other in self._parents)
        return max((line.index(label_id) + 1 for line in lines if label_id in line), default=1)

    def require_free(self, parent_id: LabelId | None, name: str, *, but: LabelId | None = None) -> None:
        """The name can be given there, or is `but`'s own.

        Raises:
            LabelReservedError: it is that of a system label, at the top.
            LabelExistsError: a sibling has it.
        """
        if parent_id is None and folded(name) in _SYSTEM_NAMES:
            raise LabelReservedError("that is a system label's name", name=name)
        holder = self.child(parent_id, name)
        if holder is not None and holder != but:
            raise LabelExistsError("there is such a label", label_id=holder)

    def require_few(self) -> None:
        """One more label fits.

        Raises:
            LabelInvalidError: there are 10,000.
        """
        if len(self._parents) >= MAX_LABELS:
            raise LabelInvalidError(f"a mailbox has at most {MAX_LABELS} labels")


_SYSTEM_NAMES = frozenset(folded(name) for name in SYSTEM_LABELS)


def _require_name(name: str) -> None:
    if not name.strip():
        raise LabelInvalidError("a label's name cannot be empty")
    if any(unicodedata.category(char) in _UNPRINTABLE for char in name):
        raise LabelInvalidError("a label's name has no control characters")
    if len(name.encode()) > MAX_NAME_OCTETS:
        raise LabelInvalidError(f"a label's name has at most {MAX_NAME_OCTETS} octets")
