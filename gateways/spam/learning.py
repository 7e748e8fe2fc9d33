"""What was taught, as those who score ask for it: the installation's part at the door, an owner's at delivery."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from domain.ids import MailboxId
from gateways.screening import QUARANTINE, Screening
from gateways.spam.bayes import UNDECIDED, Learnt, learnt, probability
from gateways.spam.scoring import LEAST_TELLING, SPAM_FROM, SURE, by_opinion

LEAST_MAILBOXES = 3
"""How many mailboxes must have taught something before others are judged by it: nobody's mail shows in their scores."""
SPAM, HAM = True, False


class Installation(msgspec.Struct, frozen=True):
    """What all together taught; `reports`: of proven senders, how many more mailboxes called them spam than not."""

    learnt: Learnt = Learnt()
    reports: Mapping[int, int] = {}


class Told(NamedTuple):
    """A token, in how many spams and hams it stood (each mailbox's as far as it weighs), and in how many mailboxes."""

    token: int
    in_spams: float
    in_hams: float
    spam_voices: int
    ham_voices: int


def taught_together(told: Iterable[Told], *, spams: int, hams: int) -> Learnt:
    """What so many messages of several mailboxes taught: a token tells of spam only where several say so, and of ham
    alike, whatever one of them says and however often."""

    def is_backed(one: Told) -> bool:
        likely = probability(one.in_spams, one.in_hams, spams=spams, hams=hams)
        return (one.spam_voices if likely > UNDECIDED else one.ham_voices) >= LEAST_MAILBOXES

    counts = ((one.token, one.in_spams, one.in_hams) for one in told if is_backed(one))
    return learnt(counts, spams=spams, hams=hams)


class Asked(msgspec.Struct, frozen=True):
    """A message on its way into a mailbox: `content` is its beginning."""

    mailbox_id: MailboxId
    screening: Screening
    author: str
    content: bytes


class PersonalFilters(Protocol):
    """The port to what owners taught for themselves. Calls block."""

    def judge(self, asked: Sequence[Asked]) -> Sequence[bool | None]:
        """For each message whether its owner's filter calls it spam; None where that has nothing to say."""
        ...


class NoPersonalFilters:
    """Where nobody filters."""

    def judge(self, asked: Sequence[Asked]) -> Sequence[bool | None]:
        """Nothing to say."""
        return [None] * len(asked)


def personal_verdict(learnt: Learnt, tokens: Sequence[int]) -> bool | None:
    """What an owner's own filter says, where it is sure."""
    if not learnt.is_enough:
        return None
    opinion = learnt.opinion(tokens)
    if opinion.tokens < LEAST_TELLING or 1 - SURE < opinion.indicator < SURE:
        return None
    return SPAM if by_opinion(opinion) >= SPAM_FROM else HAM


def is_spam(screening: Screening, own: bool | None) -> bool:
    """Where a message goes: the owner's word decides, except over the policy of the domain that it says it is from."""
    if own is None or screening.disposition == QUARANTINE:
        return screening.is_spam
    return own
