"""The search language: what people type in a mail search box, read into a `Query`.

Words side by side must all be found; `OR` between two binds closer than that, as Gmail has it: `a b OR c` is
`a (b OR c)`. A word that holds no letter or digit says nothing and is passed over. Days are UTC days. `k`, `m` and `g`
are powers of 1,024. A prefix that is no operator (`http://…`, `12:30`) is text.
"""

import re
from typing import Final, NoReturn

from domain.search_operators import OPERATORS, TEXT_FIELDS, bare_text, quoted_text
from domain.search_query import AllOf, AnyOf, Everything, Node, Not, Nothing, Phrase, Query, TextField, resolve

__all__ = ["MAX_NESTING", "MAX_QUERY_CHARS", "MAX_TERMS", "Query", "QueryInvalidError", "parse", "resolve"]

MAX_QUERY_CHARS: Final = 2_000
MAX_TERMS: Final = 64
MAX_NESTING: Final = 20

_SPACE = re.compile(r"\s*")
_JOINT = re.compile(r'(OR|AND)(?=[\s"()]|$)')
_NEGATION = re.compile(r"-(?=[^\s)])")
_OPERATOR = re.compile(r"([A-Za-z][A-Za-z0-9_]*):\s*", re.ASCII)
_QUOTED = re.compile(r'"([^"]*)"')
_BARE = re.compile(r'[^\s"()]+')


class QueryInvalidError(ValueError):
    """The query cannot be read; `position` is the character (from 0) where that shows."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def parse(q: str, now_ms: int) -> Query:
    """What `q` asks for, `older_than:` and `newer_than:` counted from `now_ms`. Label paths are still to be resolved.

    Raises: QueryInvalidError.
    """
    if len(q) > MAX_QUERY_CHARS:
        raise QueryInvalidError(f"a query has at most {MAX_QUERY_CHARS} characters", MAX_QUERY_CHARS)
    _refuse_surrogates(q)
    reader = _Reader(q, now_ms)
    root = reader.sequence("any", nesting=0)
    if reader.position < len(q):
        reader.refuse("this ) closes nothing")
    if root is None:
        root = Nothing() if q.strip() else Everything()
    return Query(root, anywhere=reader.anywhere)


def _refuse_surrogates(q: str) -> None:
    try:
        q.encode()
    except UnicodeEncodeError as error:
        raise QueryInvalidError("this is not a character of Unicode", error.start) from None


class _Reader:
    """Recursive descent over one query; None stands for what says nothing."""

    def __init__(self, q: str, now_ms: int) -> None:
        self.q = q
        self.now_ms = now_ms
        self.position = 0
        self.terms = 0
        self.anywhere = False

    def refuse(self, message: str, position: int | None = None) -> NoReturn:
        raise QueryInvalidError(message, self.position if position is None else position)

    def sequence(self, field: TextField, *, nesting: int) -> Node | None:
        """What stands up to the end or to a closing parenthesis."""
        if nesting > MAX_NESTING:
            self.refuse(f"nested more than {MAX_NESTING} deep")
        alternatives: list[list[Node | None]] = []
        while self._more():
            if self._joined_by_or(after_something=bool(alternatives)):
                alternatives[-1].append(self._item(field, nesting))
            else:
                alternatives.append([self._item(field, nesting)])
        return _all_of([_any_of(nodes) for nodes in alternatives])

    def _more(self) -> bool:
        self._skip_space()
        return self.position < len(self.q) and self.q[self.position] != ")"

    def _skip_space(self) -> None:
        space = _SPACE.match(self.q, self.position)
        self.position = space.end() if space else self.position

    def _joined_by_or(self, *, after_something: bool) -> bool:
        joint = _JOINT.match(self.q, self.position)
        if joint is None:
            return False
        self.position = joint.end()
        if not after_something or not self._more() or _JOINT.match(self.q, self.position):
            self.refuse(f"{joint[1]} stands between two things", joint.start())
        return joint[1] == "OR"

    def _item(self, field: TextField, nesting: int) -> Node | None:
        start = self.position
        if _NEGATION.match(self.q, start):
            return self._negated(field, nesting)
        if self.q[start] == "(":
            return self._group(field, nesting)
        if self.q[start] == '"':
            return self._counted(quoted_text(self._quoted(), field), start)
        operator = _OPERATOR.match(self.q, start)
        if operator and operator[1].lower() in TEXT_FIELDS:
            self.position = operator.end()
            return self._text_operator(TEXT_FIELDS[operator[1].lower()], nesting)
        if operator and operator[1].lower() in OPERATORS:
            self.position = operator.end()
            return self._operator(operator[1].lower())
        return self._counted(bare_text(self._bare(), field), start)

    def _negated(self, field: TextField, nesting: int) -> Node | None:
        if nesting >= MAX_NESTING:
            self.refuse(f"nested more than {MAX_NESTING} deep")
        self.position += 1
        part = self._item(field, nesting + 1)
        return None if part is None else Not(part)

    def _group(self, field: TextField, nesting: int) -> Node | None:
        start = self.position
        self.position += 1
        part = self.sequence(field, nesting=nesting + 1)
        if self.position == len(self.q):
            self.refuse("this ( is never closed", start)
        self.position += 1
        return part

    def _text_operator(self, field: TextField, nesting: int) -> Node | None:
        start = self.position
        if self.q.startswith("(", start):
            return self._group(field, nesting)
        if self.q.startswith('"', start):
            return self._counted(quoted_text(self._quoted(), field), start)
        return self._counted(bare_text(self._bare(), field), start)

    def _operator(self, name: str) -> Node | None:
        start = self.position
        value = self._quoted() if self.q.startswith('"', start) else self._bare()
        if name == "in" and value.lower() == "anywhere":
            self.anywhere = True
            return self._counted(Everything(), start)
        try:
            return self._counted(OPERATORS[name](value, self.now_ms), start)
        except ValueError as error:
            self.refuse(str(error), start)

    def _quoted(self) -> str:
        quoted = _QUOTED.match(self.q, self.position)
        if quoted is None:
            self.refuse('this " is never closed')
        self.position = quoted.end()
        return quoted[1]

    def _bare(self) -> str:
        bare = _BARE.match(self.q, self.position)
        if bare is None:
            self.refuse("a value is missing here")
        self.position = bare.end()
        return bare[0]

    def _counted(self, node: Node | None, start: int) -> Node | None:
        self.terms += len(node.words) if isinstance(node, Phrase) else 1
        if self.terms > MAX_TERMS:
            self.refuse(f"a query has at most {MAX_TERMS} terms", start)
        return node


def _any_of(nodes: list[Node | None]) -> Node | None:
    said = [node for node in nodes if node is not None]
    return AnyOf(tuple(said)) if len(said) > 1 else said[0] if said else None


def _all_of(nodes: list[Node | None]) -> Node | None:
    said = [node for node in nodes if node is not None]
    return AllOf(tuple(said)) if len(said) > 1 else said[0] if said else None
