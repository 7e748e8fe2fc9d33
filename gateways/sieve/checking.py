"""From commands to a program: every command known, required and with the arguments that it takes.

All faults are told, each with its line, not the first alone.
"""

from collections.abc import Callable, Mapping, Sequence

from gateways.sieve import nodes as n
from gateways.sieve.check_actions import ACTIONS
from gateways.sieve.check_tests import Checked, check_test
from gateways.sieve.encoded import decoded_script
from gateways.sieve.lexer import ScriptError
from gateways.sieve.signatures import EXTENSIONS, TEXTS, arguments
from gateways.sieve.syntax import Command, read

MAX_FAULTS = 20


class ScriptInvalidError(Exception):
    """A script cannot be run; `faults` are its errors in the order of their lines, 20 at most."""

    def __init__(self, faults: Sequence[ScriptError]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)[:MAX_FAULTS]


def program_of(script: str) -> n.Program:
    """The program that a script is.

    Raises: ScriptInvalidError
    """
    try:
        commands = read(script)
    except ScriptError as error:
        raise ScriptInvalidError([error]) from error
    return _Checker().program(commands)


class _Checker:
    def __init__(self) -> None:
        self._required: frozenset[str] = frozenset()
        self._faults: list[ScriptError] = []

    def program(self, commands: Sequence[Command]) -> n.Program:
        places = [place for place, command in enumerate(commands) if command.name != "require"]
        first = places[0] if places else len(commands)
        for command in commands[:first]:
            self._noting(self._require, command)
        if "encoded-character" in self._required:
            commands = [*commands[:first], *self._decoded(commands[first:])]
        actions = self._block(commands[first:])
        if self._faults:
            raise ScriptInvalidError(sorted(self._faults, key=lambda fault: fault.line))
        return n.Program(actions, "variables" in self._required)

    def _decoded(self, commands: Sequence[Command]) -> list[Command]:
        try:
            return [decoded_script(command) for command in commands]
        except ScriptError as fault:
            self._faults.append(fault)
            return list(commands)

    def _noting(self, check: Callable[[Command], None], command: Command) -> None:
        try:
            check(command)
        except ScriptError as fault:
            self._faults.append(fault)

    def _require(self, command: Command) -> None:
        _no_parts(command)
        (wanted,) = arguments(command, frozenset(), TEXTS).rest
        unknown = [name for name in wanted if name not in EXTENSIONS]
        self._required |= frozenset(wanted)
        if unknown:
            raise ScriptError(command.line, f"the extension {unknown[0]!r} is not supported")

    def _block(self, commands: Sequence[Command]) -> tuple[n.Action, ...]:
        actions: list[n.Action] = []
        branches: list[tuple[n.Test, tuple[n.Action, ...]]] | None = None
        for command in commands:
            try:
                branches = self._one(command, actions, branches)
            except ScriptError as fault:
                self._faults.append(fault)
                branches = [] if command.name in ("if", "elsif") else None
        return tuple(actions)

    def _one(
        self,
        command: Command,
        actions: list[n.Action],
        branches: list[tuple[n.Test, tuple[n.Action, ...]]] | None,
    ) -> list[tuple[n.Test, tuple[n.Action, ...]]] | None:
        """Add what the command is; the branches that an elsif or else behind it would go on."""
        if command.name in ("elsif", "else"):
            if branches is None:
                raise ScriptError(command.line, f"{command.name} follows no if")
            branches = [*branches, self._branch(command)]
            if actions and isinstance(actions[-1], n.If):
                actions[-1] = n.If(line=actions[-1].line, branches=tuple(branches))
            return branches if command.name == "elsif" else None
        if command.name == "if":
            branches = [self._branch(command)]
            actions.append(n.If(line=command.line, branches=tuple(branches)))
            return branches
        actions.append(self._action(command))
        return None

    def _branch(self, command: Command) -> tuple[n.Test, tuple[n.Action, ...]]:
        if command.block is None:
            raise ScriptError(command.line, f"{command.name} takes a block")
        block = self._block(command.block)
        if command.arguments or len(command.tests) != (command.name != "else"):
            raise ScriptError(command.line, f"{command.name} takes {'no test' if command.name == 'else' else 'a test'}")
        test = check_test(command.tests[0], self._required) if command.tests else n.Constant(holds=True)
        return test, block

    def _action(self, command: Command) -> n.Action:
        if command.name == "require":
            raise ScriptError(command.line, "require stands before everything else")
        checked = _known(command, ACTIONS)
        if checked.needs and not self._required & checked.needs:
            raise ScriptError(command.line, f'{command.name} needs require "{min(checked.needs)}"')
        _no_parts(command)
        action = checked.check(command, self._required)
        assert isinstance(action, n.Action)
        return action


def _known(command: Command, known: Mapping[str, Checked]) -> Checked:
    if command.name not in known:
        raise ScriptError(command.line, f"there is no command {command.name!r}")
    return known[command.name]


def _no_parts(command: Command) -> None:
    if command.tests or command.block is not None:
        raise ScriptError(command.line, f"{command.name} takes neither test nor block")
