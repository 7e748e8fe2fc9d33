"""The fold of a mailbox's stream in memory: the oracle that every stored view is compared with.

Read `state` (the questions), `fold` (which function folds which event), `mailbox` (what is held), then the `fold_*`
files, one for each family of events, and `counting`: nothing is counted before it is asked for.
"""

from domain.mailbox_state.row_dump import difference
from domain.mailbox_state.state import MailboxState

__all__ = ["MailboxState", "difference"]
