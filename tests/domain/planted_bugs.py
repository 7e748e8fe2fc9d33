"""Bugs of one line, each planted in a copy of the fold that is loaded under a name of its own.

A check that compares with the fold (views in step, a rebuild, a client) is worth what it finds: run it on each of
these. None of them raises on a valid history, so it is the comparison that must tell.
"""

import importlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import domain.mailbox_state
from domain.mailbox_state import MailboxState

PACKAGE = Path(domain.mailbox_state.__file__).parent


class Bug(NamedTuple):
    """In this file of the package this text, which stands there once, becomes that."""

    name: str
    file: str
    right: str
    wrong: str


BUGS = (
    Bug("a draft counts as unread", "mailbox.py", 'isdisjoint(("$seen", "$draft"))', 'isdisjoint(("$seen",))'),
    Bug("a uid is given twice", "places.py", "next_uid = uid", "next_uid = uid - 1"),
    Bug("a deletion frees no room", "fold_messages.py", "use_bytes(mailbox, -message.size)", "use_bytes(mailbox, 0)"),
    Bug("a keyword is never taken off", "fold_messages.py", "difference(event.removed).union", "union"),
    Bug("who leaves a label leaves no tombstone", "places.py", "removed_seq = membership.changed_seq", "changed_seq"),
    Bug("a snooze never ends", "fold_messages.py", "message.snoozed_until = None", "pass"),
    Bug(
        "who wakes keeps its old place",
        "fold_messages.py",
        "message.listed_at = unix_ms(event.listed_at)",
        "message.listed_at = message.listed_at",
    ),
    Bug("the last reference wins", "fold_messages.py", "if ref not in mailbox.references:", "if ref:"),
    Bug(
        "joined messages are counted twice",
        "fold_threads.py",
        "destroy(mailbox, before, seq=when.seq)",
        "before.changed_seq = when.seq",
    ),
    Bug(
        "a joined message loses its deletion mark",
        "fold_threads.py",
        "deletion_mark = before.deletion_mark",
        "deletion_mark = False",
    ),
    Bug(
        "references still lead to the old thread",
        "fold_threads.py",
        "reference.thread_id = event.into",
        "reference.thread_id = event.from_",
    ),
    Bug("a change of keywords leaves the label's seq", "places.py", "counts_seq = seq", "counts_seq += 0"),
    Bug("a thread is unread for ever", "counting.py", "thread.unread += message.unread", "thread.unread += 1"),
    Bug("a bounce is taken for success", "fold_sending.py", '"bounced", "rejected", "relayed"', '"relayed", "bounced"'),
    Bug("a new quota is forgotten", "fold_quota.py", "mailbox.quota_bytes = event.limit_bytes", "pass"),
    Bug("a warning stands for ever", "fold_quota.py", "min(mailbox.quota_warned,", "max(mailbox.quota_warned,"),
)


def planted_bugs() -> list[tuple[str, type[MailboxState]]]:
    """The name of each bug and the `MailboxState` that has it."""
    return [(bug.name, _with_bug(bug, f"planted_bug_{number}")) for number, bug in enumerate(BUGS)]


def _with_bug(bug: Bug, package: str) -> type[MailboxState]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / package
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        _plant(bug, copy / bug.file)
        for source in copy.glob("*.py"):
            source.write_text(source.read_text().replace("domain.mailbox_state", package))
        return _load(package, folder)


def _plant(bug: Bug, source: Path) -> None:
    text = source.read_text()
    if text.count(bug.right) != 1:
        raise ValueError(f"{bug.file} holds {bug.right!r} {text.count(bug.right)} times: plant {bug.name!r} anew")
    source.write_text(text.replace(bug.right, bug.wrong))


def _load(package: str, folder: str) -> type[MailboxState]:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(package).MailboxState
    finally:
        sys.path.remove(folder)
