"""Runs programs on one message. Nothing is done here: what is to be done is the `Outcome`.

Programs run one after another as if they were one; `stop` ends them all. An action said twice is done once. Whatever
goes wrong while they run (RFC 5228 section 2.10.6) leaves a message that is kept, and an error for its owner.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from domain.addresses import AddressInvalidError, EmailAddress
from domain.ids import LabelId
from domain.labels import segments
from domain.refusals import LabelInvalidError
from gateways.sieve import nodes as n
from gateways.sieve.comparing import Budget, TooMuchError
from gateways.sieve.edits import add_header, added_fields, delete_header
from gateways.sieve.flags import keywords_for, without, words
from gateways.sieve.message import Message
from gateways.sieve.outcome import MAX_FILED, MAX_REDIRECTS, Outcome, RuleError
from gateways.sieve.paths import path_key
from gateways.sieve.testing import Tester
from gateways.sieve.variables import TooManyVariablesError

INBOX = LabelId("INBOX")


class _Stopped(Exception):
    """`stop`."""


def run(programs: Iterable[n.Program], message: Message) -> Outcome:
    """What the programs come to for the message. Never raises."""
    runner = _Runner(message)
    try:
        for program in programs:
            runner.run(program)
    except _Stopped:
        pass
    except (RuleError, TooMuchError, TooManyVariablesError) as error:
        return Outcome(error=f"line {runner.line}: {error}" if runner.line else str(error))
    return runner.finished()


class _Runner:
    def __init__(self, message: Message) -> None:
        self._message = message
        self._outcome = Outcome(is_kept=False)
        self._is_implicit = True
        self._flags: tuple[str, ...] = ()
        self._budget = Budget()
        self._tester = Tester(message, self._budget, lambda: self._flags)
        self.line = 0

    def run(self, program: n.Program) -> None:
        self._tester.fills = program.has_variables
        self._block(program.actions)

    def finished(self) -> Outcome:
        outcome = self._outcome
        if outcome.rejected is not None and (outcome.is_anywhere or outcome.redirects or outcome.vacation):
            self.line = 0
            return Outcome(error="a message cannot be rejected and also kept, filed, forwarded or answered")
        if self._is_implicit:
            self._keep(n.Keep())
        outcome.added = added_fields(self._message)
        return outcome

    def _block(self, actions: Iterable[n.Action]) -> None:
        for action in actions:
            self._budget.spend()
            self.line = action.line
            _ACTIONS[type(action)](self, action)

    def _if(self, action: n.If) -> None:
        for test, block in action.branches:
            if self._tester.is_so(test):
                return self._block(block)
        return None

    def _stop(self, _action: n.Stop) -> None:
        raise _Stopped

    def _keep(self, action: n.Keep) -> None:
        self._outcome.is_kept = True
        self._is_implicit = False
        self._mark(action.flags)

    def _discard(self, _action: n.Discard) -> None:
        self._outcome.is_discarded = True
        self._is_implicit = False

    def _file_into(self, action: n.FileInto) -> None:
        if action.label_id:
            self._outcome.filed[LabelId(action.label_id)] = None
        else:
            self._file(self._tester.filled(action.mailbox), action.create)
        if len(self._outcome.filed) + len(self._outcome.created) > MAX_FILED:
            raise RuleError(f"a message goes into at most {MAX_FILED} mailboxes")
        self._is_implicit &= action.copy
        self._mark(action.flags)

    def _file(self, path: str, create: bool) -> None:
        label_id = self._message.mailbox.labels.get(path_key(path))
        if label_id is not None:
            self._outcome.filed[label_id] = None
            return
        if not create:
            raise RuleError(f"there is no label {path[:200]!r}")
        try:
            names = segments(path.strip().removesuffix("/"))
        except LabelInvalidError as error:
            raise RuleError(f"{path[:200]!r} cannot be made: {error}") from error
        self._outcome.created["/".join(names)] = None

    def _unfile(self, action: n.Unfile) -> None:
        self._outcome.filed.pop(LabelId(action.label_id), None)
        if action.label_id == INBOX:
            self._outcome.is_kept = self._is_implicit = False

    def _redirect(self, action: n.Redirect) -> None:
        text = self._tester.filled(action.address).strip().removeprefix("<").removesuffix(">")
        try:
            address = EmailAddress.parse(text)
        except AddressInvalidError as error:
            raise RuleError(f"{text[:200]!r} is no address: {error}") from error
        if address.canonical in self._message.mailbox.addresses:
            self._outcome.is_kept |= not action.copy
        else:
            self._outcome.redirects[str(address)] = None
        if len(self._outcome.redirects) > MAX_REDIRECTS:
            raise RuleError(f"a message is forwarded to at most {MAX_REDIRECTS} addresses")
        self._is_implicit &= action.copy

    def _reject(self, action: n.Reject) -> None:
        self._outcome.rejected = self._tester.filled(action.reason)
        self._is_implicit = False

    def _vacation(self, action: n.Vacation) -> None:
        if self._outcome.vacation is not None:
            raise RuleError("a message is answered once")
        filled = self._tester.filled
        self._outcome.vacation = n.Vacation(
            line=action.line,
            reason=filled(action.reason),
            seconds=action.seconds,
            subject=filled(action.subject),
            from_=filled(action.from_),
            addresses=tuple(self._tester.all_filled(action.addresses)),
            mime=action.mime,
            handle=filled(action.handle),
        )

    def _set_flags(self, action: n.Flags) -> None:
        given = words(self._tester.all_filled(action.flags))
        variables = self._tester.variables
        before = words([variables.get(action.variable)]) if action.variable else self._flags
        if action.what == "add":
            given = words([*before, *given])
        elif action.what == "remove":
            given = without(before, given)
        if action.variable:
            variables.set(action.variable, " ".join(given))
        else:
            self._flags = given

    def _set(self, action: n.Set) -> None:
        self._tester.variables.set(action.name, self._tester.filled(action.value), action.modifiers)

    def _add_header(self, action: n.AddHeader) -> None:
        self._budget.spend(len(self._message.fields))
        add_header(self._message, self._tester.filled(action.name), self._tester.filled(action.value), last=action.last)

    def _delete_header(self, action: n.DeleteHeader) -> None:
        keys = tuple(self._tester.all_filled(action.keys))
        delete_header(self._message, action, name=self._tester.filled(action.name), keys=keys, budget=self._budget)

    def _mark(self, flags: n.Texts | None) -> None:
        given = self._flags if flags is None else words(self._tester.all_filled(flags))
        self._outcome.flags.update(dict.fromkeys(keywords_for(given)))


_ACTIONS: Mapping[type[n.Action], Callable[[_Runner, Any], None]] = {
    n.If: _Runner._if,
    n.Stop: _Runner._stop,
    n.Keep: _Runner._keep,
    n.Discard: _Runner._discard,
    n.FileInto: _Runner._file_into,
    n.Unfile: _Runner._unfile,
    n.Redirect: _Runner._redirect,
    n.Reject: _Runner._reject,
    n.Vacation: _Runner._vacation,
    n.Flags: _Runner._set_flags,
    n.Mark: lambda runner, action: runner._mark(action.flags),
    n.Set: _Runner._set,
    n.AddHeader: _Runner._add_header,
    n.DeleteHeader: _Runner._delete_header,
}
