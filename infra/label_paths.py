"""From the paths that people write to the labels of a mailbox."""

from collections.abc import Mapping

from domain.decisions import CreateLabel
from domain.events import SYSTEM_LABELS, Who
from domain.ids import LabelId, MailboxId, new_id
from domain.labels import folded
from domain.refusals import LabelExistsError
from gateways.appending import Appender
from infra.postgres_queue import Connect

_LABELS = (
    "SELECT x.label_id, x.parent_id, x.name FROM labels x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.destroyed_seq IS NULL"
)
_SYSTEM_NAMES: Mapping[str, LabelId] = {
    **{name.lower(): LabelId(name) for name in SYSTEM_LABELS},
    "junk": LabelId("SPAM"),
    "junk e-mail": LabelId("SPAM"),
    "sent items": LabelId("SENT"),
    "sent mail": LabelId("SENT"),
    "sent messages": LabelId("SENT"),
    "deleted items": LabelId("TRASH"),
    "deleted messages": LabelId("TRASH"),
}


class LabelPaths:
    """From paths to label ids; a label that is missing is made."""

    def __init__(self, mailbox_id: MailboxId, connect: Connect, appender: Appender, who: Who) -> None:
        self._mailbox_id = mailbox_id
        self._appender = appender
        self._who = who
        self._known: dict[tuple[str, ...], LabelId] = {}
        with connect() as connection:
            rows = connection.execute(_LABELS, (mailbox_id,)).fetchall()
        by_id: dict[str, tuple[str | None, str]] = {label_id: (parent, name) for label_id, parent, name in rows}
        for label_id in by_id:
            self._known[_path_of(label_id, by_id)] = LabelId(label_id)

    def at(self, names: tuple[str, ...]) -> LabelId:
        """The label of this path; at the top a name such as Sent or Junk is the system's own."""
        if len(names) == 1 and (system := _SYSTEM_NAMES.get(names[0].lower())) is not None:
            return system
        key = tuple(folded(name) for name in names)
        if key not in self._known:
            self._known[key] = self._made("/".join(name.replace("/", "_") for name in names))
        return self._known[key]

    def _made(self, path: str) -> LabelId:
        command = CreateLabel(mailbox_id=self._mailbox_id, command_id=new_id("c"), who=self._who, path=path)
        try:
            return LabelId(self._appender.run(command).answer["id"])
        except LabelExistsError as error:
            return LabelId(str(error.members["label_id"]))


def _path_of(label_id: str, by_id: Mapping[str, tuple[str | None, str]]) -> tuple[str, ...]:
    parent, name = by_id[label_id]
    above = _path_of(parent, by_id) if parent in by_id and parent is not None else ()
    return (*above, folded(name))
