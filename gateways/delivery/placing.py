"""Where an incoming message goes in its owner's mailbox as far as the installation's screening says: its verdict
chooses INBOX or SPAM, never refuses after 250. What is in INBOX the owner's rules see (`gateways.filtering`).
"""

import msgspec
from msgspec import UNSET, UnsetType

from domain.decisions.delivery import INBOX, SPAM
from domain.ids import LabelId
from domain.keywords import JUNK
from gateways.screening import Screening
from gateways.spam.learning import is_spam


class Placement(msgspec.Struct, frozen=True):
    """The labels and keywords that a message is delivered with."""

    labels: tuple[LabelId, ...] = (INBOX,)
    keywords: tuple[str, ...] = ()


def placement(screening: Screening | UnsetType, own: bool | None = None) -> Placement:
    """Into SPAM where the screening says so, or `own` (what the owner taught), else into INBOX, without keywords."""
    if screening is not UNSET and is_spam(screening, own):
        return Placement((SPAM,), (JUNK,))
    return Placement()
