"""What a script comes to for one message."""

import msgspec

from domain.ids import LabelId
from gateways.sieve.nodes import Vacation

MAX_FILED = 32
MAX_REDIRECTS = 5
MAX_ADDED_FIELDS = 32


class RuleError(Exception):
    """A script cannot go on; the text is for its owner."""


class Outcome(msgspec.Struct):
    """Where the message goes and what else is done. `created` are paths to make; `flags` are IMAP's.

    Nothing of it is a label or a reply while `error` is set: then the message is kept as if there were no script.
    """

    is_kept: bool = True
    """In INBOX, by the implicit keep or an explicit one."""
    filed: dict[LabelId, None] = {}
    created: dict[str, None] = {}
    flags: dict[str, None] = {}
    redirects: dict[str, None] = {}
    is_discarded: bool = False
    rejected: str | None = None
    vacation: Vacation | None = None
    added: list[tuple[str, str]] = []
    """Header fields put in front, the last added first."""
    error: str = ""

    @property
    def is_anywhere(self) -> bool:
        """Whether it goes into a mailbox of the owner's choice."""
        return self.is_kept or bool(self.filed) or bool(self.created)
