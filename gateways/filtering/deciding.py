"""What an owner's rules, script and automatic reply come to for one message."""

import hashlib
from functools import lru_cache

import msgspec

from domain.decisions.delivery import ARCHIVE, INBOX, SPAM, TRASH
from domain.ids import LabelId
from domain.keywords import JUNK, MAX_KEYWORDS
from domain.times import unix_ms
from gateways.delivery.placing import Placement
from gateways.filtering.json_rules import program_of_rules
from gateways.filtering.owner_rules import OwnerRules
from gateways.filtering.shapes import Vacation
from gateways.sieve import nodes as n
from gateways.sieve.checking import ScriptInvalidError, program_of
from gateways.sieve.message import Message
from gateways.sieve.outcome import Outcome, RuleError
from gateways.sieve.running import run

DAY_S = 86_400


def decided(rules: OwnerRules, message: Message, *, received_at: int) -> Outcome:
    """The outcome for a message that arrived then (unix milliseconds). Never raises: rules never hold up mail.

    The JSON rules come first, then the script; the automatic reply is given where neither threw the message away nor
    gave one of its own.
    """
    try:
        outcome = run(_programs(rules), message)
        if outcome.vacation is None and outcome.is_anywhere:
            outcome.vacation = _vacation(rules.vacation, received_at)
    except (RuleError, ScriptInvalidError) as error:
        return Outcome(error=str(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours keeps the message too; its owner is told
        return Outcome(error=f"the rules failed: {type(error).__name__}")
    return outcome


def placed(outcome: Outcome) -> Placement:
    """Labels and keywords. What was thrown away, refused or forwarded without a copy lies in TRASH for its days."""
    labels = list(outcome.filed)
    if outcome.is_kept:
        labels.append(INBOX)
    else:
        labels = _alone(labels)
    if not labels and not outcome.created:
        gone = outcome.is_discarded or outcome.redirects or outcome.rejected is not None
        labels = [TRASH if gone else ARCHIVE]
    words = (*outcome.flags, JUNK) if SPAM in labels else tuple(outcome.flags)
    return Placement(tuple(dict.fromkeys(labels)), tuple(dict.fromkeys(words))[-MAX_KEYWORDS:])


def _alone(labels: list[LabelId]) -> list[LabelId]:
    """TRASH and SPAM replace all other labels."""
    return next(([bin_] for bin_ in (TRASH, SPAM) if bin_ in labels), labels)


def _programs(rules: OwnerRules) -> list[n.Program]:
    programs = [program_of_rules(rules.rules)] if rules.rules else []
    return [*programs, _script(rules.script)] if rules.script else programs


@lru_cache(maxsize=1024)
def _script(script: str) -> n.Program:
    return program_of(script)


def _vacation(body: bytes, received_at: int) -> n.Vacation | None:
    """The automatic reply, if it is given at that time."""
    if not body:
        return None
    try:
        vacation = msgspec.json.decode(body, type=Vacation)
    except msgspec.DecodeError as error:
        raise RuleError(f"the automatic reply cannot be read: {error}") from error
    begins = unix_ms(vacation.from_at) if vacation.from_at else received_at
    ends = unix_ms(vacation.until_at) if vacation.until_at else received_at
    if not vacation.enabled or not begins <= received_at <= ends:
        return None
    return n.Vacation(
        reason=vacation.text,
        subject=vacation.subject,
        seconds=vacation.interval_days * DAY_S,
        handle=hashlib.sha256(body).hexdigest(),
    )
