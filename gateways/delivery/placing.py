"""Where an incoming message goes in its owner's mailbox as far as the installation's screening says: its verdict
chooses INBOX or SPAM, never refuses after 250. What is in INBOX the owner's rules see (`gateways.filtering`).
"""

import msgspec
from msgspec import UNSET, UnsetType

from domain.decisions.delivery import INBOX, SPAM
from domain.ids import LabelId
from domain.keywords import JUNK
from gateways.screening import Screening


class Placement(msgspec.Struct, frozen=True):
    """The labels and keywords that a message is delivered with."""

    labels: tuple[LabelId, ...] = (INBOX,)
    keywords: tuple[str, ...] = ()


def placement(screening: Screening | UnsetType) -> Placement:
    """Into SPAM where the screening says so, else into INBOX, without keywords."""
    if screening is not UNSET and screening.is_spam:
        return Placement((SPAM,), (JUNK,))
    return Placement()
