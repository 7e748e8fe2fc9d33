"""What may happen to a mailbox: each command is a frozen struct that says which rows it needs and decides, purely.

One file per area; what they share stands in `appending` (events in the making), `relabelling` (wishes become events),
`delivery` (a message comes into being) and `conversations` (the thread that it stands in).
"""

from domain.decisions.deleting import DeleteMessages, ExpireMessages
from domain.decisions.delivery import Composed, Deliver
from domain.decisions.modifying import Modify
from domain.decisions.opening import EraseMailbox, OpenMailbox, RestoreMailbox

__all__ = [
    "Composed",
    "DeleteMessages",
    "Deliver",
    "EraseMailbox",
    "ExpireMessages",
    "Modify",
    "OpenMailbox",
    "RestoreMailbox",
]
