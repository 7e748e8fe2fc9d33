"""The same key and body, the same answer (draft-ietf-httpapi-idempotency-key-header).

What a command appended is answered for ever by the command's own id. What a call that appends nothing answered is kept
for a day. The digest of the request tells a repeat from another request under the same key.
"""

import re
from typing import Any

from domain.commands import Outcome
from domain.decisions.appending import Answer as Decision
from domain.decisions.appending import Appending, MailboxDecision
from domain.refusals import DomainRefusal
from gateways.http.operations import Answer, Call, Operation, keyed_digest
from gateways.http.ports import KeptAnswer
from gateways.http.problems import ProblemError
from gateways.http.requests import Scope, header

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def take_key(call: Call[Any, Any], operation: Operation, scope: Scope) -> None:
    """Let the request be named by its Idempotency-Key, where it bears one. Raises: ProblemError."""
    given = header(scope, b"idempotency-key")
    if given is None or not operation.keeps_answers:
        return
    if not _KEY.fullmatch(given):
        raise ProblemError("idempotency_key_invalid", "a key is 1 to 255 visible ASCII characters")
    route = f"{operation.method} {scope['path']}".encode()
    secret = call.parts.settings.secret
    call.key = keyed_digest(b"", call.account_id.encode(), route, given.encode()).hex()
    call.digest = keyed_digest(secret, scope.get("query_string", b""), call.raw)


def kept_answer(call: Call[Any, Any]) -> Answer | None:
    """The answer that is kept under this key. Raises: ProblemError, where it is another request's."""
    if call.key is None:
        return None
    kept = call.parts.kept_answers.find(call.account_id, call.key)
    return None if kept is None else _same(call, kept)


def keep(call: Call[Any, Any], answer: Answer) -> Answer:
    """Keep an answer that no command keeps; of two that race the first is everybody's."""
    if call.key is None or call.appended or answer.status >= 300:
        return answer
    given = KeptAnswer(call.digest, answer.status, answer.body)
    return _same(call, call.parts.kept_answers.keep(call.account_id, call.key, given))


def _same(call: Call[Any, Any], kept: KeptAnswer) -> Answer:
    if kept.digest != call.digest:
        raise ProblemError("idempotency_key_reused")
    return Answer(kept.body, kept.status)


class _NotSeenError(DomainRefusal):
    """No command of this id was appended before."""


class Remembered(MailboxDecision, frozen=True, kw_only=True):
    """Asks for the first answer of a command id, and appends nothing."""

    TRUSTED_ID = True

    def gather(self, appending: Appending) -> Decision:
        """Always refused: only a repeat is answered, before any decision."""
        raise _NotSeenError("no such command")


def first_answer(call: Call[Any, Any]) -> Outcome | None:
    """What the command under this key answered before, so that nothing is composed again for a repeat.

    Raises: ProblemError, where it was another request's.
    """
    if call.key is None:
        return None
    asked = Remembered(mailbox_id=call.mailbox_id, command_id=call.command_id)
    try:
        outcome = call.run(asked)
    except _NotSeenError:
        return None
    require_same(call, outcome)
    return outcome


def require_same(call: Call[Any, Any], outcome: Outcome) -> None:
    """The outcome is of this very request. Raises: ProblemError."""
    if outcome.repeated and outcome.answer.get("request", call.digest.hex()) != call.digest.hex():
        raise ProblemError("idempotency_key_reused")
