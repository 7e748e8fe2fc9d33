"""The shape of a script (RFC 5228 section 8.2): commands with arguments, tests and blocks, whatever they are called."""

import msgspec

from gateways.sieve.lexer import ScriptError, Token, tokens

MAX_DEPTH = 32
"""Blocks in blocks, tests in tests; RFC 5228 section 2.10.5 asks for 15 of each."""
MAX_COMMANDS = 5_000
"""Commands and tests in all."""
MAX_STRINGS = 5_000
"""In one list."""


class Argument(msgspec.Struct, frozen=True):
    """A tag (its name with the colon), a number, a string, or a list of strings."""

    kind: str
    value: str | int | tuple[str, ...]
    line: int


class Command(msgspec.Struct, frozen=True):
    """A command or a test. `block` is null where it ends with a semicolon, and for tests."""

    name: str
    line: int
    arguments: tuple[Argument, ...] = ()
    tests: tuple["Command", ...] = ()
    block: tuple["Command", ...] | None = None


def read(script: str) -> tuple[Command, ...]:
    """The commands of a script.

    Raises: ScriptError: the first place at which it has no shape, or what is too much.
    """
    return _Reader(list(tokens(script))).script()


class _Reader:
    def __init__(self, words: list[Token]) -> None:
        last = words[-1].line if words else 1
        self._words = [*words, Token("end", "the end of the script", last)]
        self._at = 0
        self._count = 0

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        word = self._next
        self._at += 1
        return word

    def _is(self, kind: str) -> bool:
        return self._next.kind == kind

    def _expect(self, kind: str) -> Token:
        if not self._is(kind):
            raise ScriptError(self._next.line, f"{kind!r} is expected before {self._next.value!r}")
        return self._take()

    def script(self) -> tuple[Command, ...]:
        commands = []
        while not self._is("end"):
            commands.append(self._command(0))
        return tuple(commands)

    def _command(self, depth: int) -> Command:
        name = self._name("a command", depth)
        arguments, tests = self._arguments(depth)
        if self._is("{"):
            return Command(str(name.value), name.line, arguments, tests, self._block(depth))
        self._expect(";")
        return Command(str(name.value), name.line, arguments, tests)

    def _name(self, what: str, depth: int) -> Token:
        self._count += 1
        if self._count > MAX_COMMANDS:
            raise ScriptError(self._next.line, f"a script has at most {MAX_COMMANDS} commands and tests")
        if depth > MAX_DEPTH:
            raise ScriptError(self._next.line, f"blocks and tests nest at most {MAX_DEPTH} deep")
        if not self._is("name"):
            raise ScriptError(self._next.line, f"{what} is expected before {self._next.value!r}")
        return self._take()

    def _block(self, depth: int) -> tuple[Command, ...]:
        self._expect("{")
        commands = []
        while not self._is("}"):
            commands.append(self._command(depth + 1))
        self._take()
        return tuple(commands)

    def _arguments(self, depth: int) -> tuple[tuple[Argument, ...], tuple[Command, ...]]:
        arguments = []
        while self._next.kind in ("tag", "number", "string", "["):
            arguments.append(self._argument())
        if self._is("name"):
            return tuple(arguments), (self._test(depth + 1),)
        return tuple(arguments), self._test_list(depth) if self._is("(") else ()

    def _argument(self) -> Argument:
        if self._is("["):
            return self._list()
        word = self._take()
        return Argument(word.kind, word.value, word.line)

    def _list(self) -> Argument:
        line = self._take().line
        strings = [str(self._expect("string").value)]
        while self._is(","):
            self._take()
            strings.append(str(self._expect("string").value))
            if len(strings) > MAX_STRINGS:
                raise ScriptError(line, f"a list has at most {MAX_STRINGS} strings")
        self._expect("]")
        return Argument("list", tuple(strings), line)

    def _test_list(self, depth: int) -> tuple[Command, ...]:
        self._take()
        found = [self._test(depth + 1)]
        while self._is(","):
            self._take()
            found.append(self._test(depth + 1))
        self._expect(")")
        return tuple(found)

    def _test(self, depth: int) -> Command:
        name = self._name("a test", depth)
        arguments, tests = self._arguments(depth)
        return Command(str(name.value), name.line, arguments, tests)
