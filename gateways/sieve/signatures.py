"""What the arguments of a command may be: its tags, what each of them takes and requires, and the rest in order."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateways.sieve.lexer import ScriptError
from gateways.sieve.nodes import Match
from gateways.sieve.syntax import Argument, Command

EXTENSIONS = frozenset(
    {"fileinto", "copy", "imap4flags", "vacation", "vacation-seconds", "reject", "ereject", "variables", "relational"}
    | {"body", "editheader", "mailbox", "subaddress", "envelope", "encoded-character"}
    | {"comparator-i;octet", "comparator-i;ascii-casemap", "comparator-i;ascii-numeric"}
)
"""What `require` may name."""

TEXT, TEXTS, NUMBER = "string", "list", "number"
_WORDS = {TEXT: "a string", TEXTS: "a string or a list of strings", NUMBER: "a number"}
RELATIONS = ("gt", "ge", "lt", "le", "eq", "ne")
COMPARATORS = ("i;octet", "i;ascii-casemap", "i;ascii-numeric")


class Tag(msgspec.Struct, frozen=True):
    """A tag's argument (none, where empty), and the extension that it belongs to."""

    takes: str = ""
    needs: str = ""


MATCHING: Mapping[str, Tag] = {
    ":is": Tag(),
    ":contains": Tag(),
    ":matches": Tag(),
    ":count": Tag(TEXT, "relational"),
    ":value": Tag(TEXT, "relational"),
    ":comparator": Tag(TEXT),
}
PARTS: Mapping[str, Tag] = {
    ":all": Tag(),
    ":localpart": Tag(),
    ":domain": Tag(),
    ":user": Tag("", "subaddress"),
    ":detail": Tag("", "subaddress"),
}


class Given(msgspec.Struct, frozen=True):
    """The arguments of one command, by tag and in order. A tag without an argument has the value true."""

    node: Command
    tags: Mapping[str, Any]
    rest: tuple[Any, ...]

    def one_of(self, tags: Mapping[str, Tag], default: str) -> str:
        """The name (without colon) of the one of these tags that is given.

        Raises: ScriptError: two of them are.
        """
        given = [tag for tag in self.tags if tag in tags and tag != ":comparator"]
        if len(given) > 1:
            raise ScriptError(self.node.line, f"{given[0]} and {given[1]} exclude each other")
        return given[0][1:] if given else default

    def match(self) -> Match:
        """How values are to be held against keys.

        Raises: ScriptError: an unknown comparator or relation, or what does not go together.
        """
        kind = self.one_of(MATCHING, "is")
        comparator = self.tags.get(":comparator", "i;ascii-casemap")
        relation = str(self.tags[f":{kind}"]).lower() if kind in ("count", "value") else ""
        if comparator not in COMPARATORS:
            raise ScriptError(self.node.line, f"there is no comparator {comparator!r}")
        if relation and relation not in RELATIONS:
            raise ScriptError(self.node.line, f":{kind} takes one of {', '.join(RELATIONS)}")
        if comparator == "i;ascii-numeric" and kind in ("contains", "matches"):
            raise ScriptError(self.node.line, f"numbers cannot be compared by :{kind}")
        return Match(kind, comparator, relation)


def arguments(
    node: Command, required: frozenset[str], *rest: str, tags: Mapping[str, Tag] | None = None, optional_first: int = 0
) -> Given:
    """The arguments of a command that takes these tags and then `rest`, of which the first few may be left out.

    Raises: ScriptError: they are others.
    """
    found: dict[str, Any] = {}
    others: list[Argument] = []
    waiting = list(node.arguments)
    while waiting:
        one = waiting.pop(0)
        if one.kind != "tag":
            others.append(one)
            continue
        name = str(one.value)
        tag = _allowed(node, one, tags or {}, required, found)
        found[name] = _valued(node, one, waiting, tag.takes) if tag.takes else True
    return Given(node, found, _in_order(node, others, rest, optional_first))


def _allowed(
    node: Command, one: Argument, tags: Mapping[str, Tag], required: frozenset[str], found: Mapping[str, Any]
) -> Tag:
    name = str(one.value)
    if name not in tags:
        raise ScriptError(one.line, f"{node.name} takes no {name}")
    if name in found:
        raise ScriptError(one.line, f"{name} is given twice")
    if tags[name].needs and tags[name].needs not in required:
        raise ScriptError(one.line, f'{name} needs require "{tags[name].needs}"')
    return tags[name]


def _valued(node: Command, tag: Argument, waiting: list[Argument], kind: str) -> Any:
    if not waiting:
        raise ScriptError(tag.line, f"{tag.value} of {node.name} takes {_WORDS[kind]}")
    return _as(waiting.pop(0), kind, f"{tag.value} of {node.name}")


def _in_order(node: Command, others: list[Argument], rest: tuple[str, ...], optional_first: int) -> tuple[Any, ...]:
    missing = len(rest) - len(others)
    if missing < 0:
        raise ScriptError(others[len(rest)].line, f"{node.name} takes no further argument")
    if missing > optional_first:
        raise ScriptError(node.line, f"{node.name} takes {' and '.join(_WORDS[kind] for kind in rest)}")
    values = [_as(one, kind, node.name) for one, kind in zip(others, rest[missing:], strict=True)]
    return (*(None for _ in range(missing)), *values)


def _as(one: Argument, kind: str, what: str) -> Any:
    if kind == TEXTS and one.kind == "string":
        return (one.value,)
    if one.kind != kind:
        raise ScriptError(one.line, f"{what} takes {_WORDS[kind]}")
    return one.value
