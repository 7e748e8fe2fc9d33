"""Where an incoming message goes in its owner's mailbox.

Three parts of delivery have their place here, in this order: the installation's screening (its verdict chooses INBOX
or SPAM, never refuses after 250), the owner's rules (labels and keywords), the owner's vacation reply (an outbox row
of the same append). Until they exist every message goes into INBOX as it is.
"""

import msgspec

from domain.decisions.delivery import INBOX
from domain.ids import LabelId


class Placement(msgspec.Struct, frozen=True):
    """The labels and keywords that a message is delivered with."""

    labels: tuple[LabelId, ...] = (INBOX,)
    keywords: tuple[str, ...] = ()


def placement() -> Placement:
    """Into INBOX, without keywords."""
    return Placement()
