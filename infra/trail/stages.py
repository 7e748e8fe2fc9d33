"""Who is told of the stages of a message's way: the log always, others if they ask."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from infra.logs import facts

Listener = Callable[[str, str, float, float, dict[str, Any]], None]
"""Told of a stage: its name, the acceptance id, when it began and ended (seconds since 1970), facts."""
LOG = logging.getLogger("ledgermail.mail")
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Be told of every stage that this process sees from now on."""
    _listeners.append(listener)


def stage(name: str, mail: str, *, began: float, failed: bool = False, **named: Any) -> None:
    """A message has passed a stage, which `began` then and ends now; or it failed there."""
    LOG.log(logging.WARNING if failed else logging.INFO, name, extra=facts(mail=mail, **named))
    _tell(name, (mail,), began, named)


def stage_of_many(name: str, mails: Sequence[str], *, began: float, **named: Any) -> None:
    """Messages have passed a stage together: one line names them all."""
    LOG.info(name, extra=facts(mails=list(mails), **named))
    _tell(name, mails, began, named)


def _tell(name: str, mails: Sequence[str], began: float, named: dict[str, Any]) -> None:
    if _listeners:
        ended = time.time()
        for listener in _listeners:
            for mail in mails:
                listener(name, mail, began, ended, named)
