"""The tests of a script, checked."""

import re
from collections.abc import Callable, Mapping

import msgspec

from gateways.sieve import nodes as n
from gateways.sieve.lexer import ScriptError
from gateways.sieve.signatures import MATCHING, NUMBER, PARTS, TEXTS, Tag, arguments
from gateways.sieve.syntax import Command

FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
Required = frozenset[str]
_BODY: Mapping[str, Tag] = {":raw": Tag(), ":text": Tag(), ":content": Tag(TEXTS)}


class Checked(msgspec.Struct, frozen=True):
    """What makes a node of a command, and the extensions of which one must be required for it."""

    check: Callable[[Command, Required], n.Node]
    needs: frozenset[str] = frozenset()


def check_test(command: Command, required: Required) -> n.Test:
    """The test that a command is.

    Raises: ScriptError
    """
    checked = _TESTS.get(command.name)
    if checked is None:
        raise ScriptError(command.line, f"there is no test {command.name!r}")
    if checked.needs and not required & checked.needs:
        raise ScriptError(command.line, f'{command.name} needs require "{min(checked.needs)}"')
    if command.tests and command.name not in ("not", "allof", "anyof"):
        raise ScriptError(command.line, f"{command.name} takes no test")
    test = checked.check(command, required)
    assert isinstance(test, n.Test)
    return test


def field_names(names: n.Texts, command: Command, required: Required) -> n.Texts:
    """The names of header fields.

    Raises: ScriptError: one of them can be none.
    """
    for name in names:
        if not FIELD_NAME.fullmatch(name) and not ("variables" in required and "${" in name):
            raise ScriptError(command.line, f"{name[:80]!r} is no name of a header field")
    return names


def _constant(command: Command, required: Required) -> n.Test:
    arguments(command, required)
    return n.Constant(line=command.line, holds=command.name == "true")


def _not(command: Command, required: Required) -> n.Test:
    arguments(command, required)
    if len(command.tests) != 1:
        raise ScriptError(command.line, "not takes one test")
    return n.Not(line=command.line, test=check_test(command.tests[0], required))


def _several(command: Command, required: Required) -> n.Test:
    arguments(command, required)
    if not command.tests:
        raise ScriptError(command.line, f"{command.name} takes tests in parentheses")
    tests = tuple(check_test(test, required) for test in command.tests)
    kind = n.AllOf if command.name == "allof" else n.AnyOf
    return kind(line=command.line, tests=tests)


def _address(command: Command, required: Required) -> n.Test:
    given = arguments(command, required, TEXTS, TEXTS, tags={**MATCHING, **PARTS})
    headers, keys = given.rest
    return n.Address(
        line=command.line,
        match=given.match(),
        part=given.one_of(PARTS, "all"),
        headers=field_names(headers, command, required),
        keys=keys,
    )


def _envelope(command: Command, required: Required) -> n.Test:
    given = arguments(command, required, TEXTS, TEXTS, tags={**MATCHING, **PARTS})
    fields, keys = given.rest
    for field in fields:
        if field.lower() not in ("from", "to"):
            raise ScriptError(command.line, f"of the envelope only from and to are known, not {field[:80]!r}")
    lower = tuple(field.lower() for field in fields)
    return n.Envelope(line=command.line, match=given.match(), part=given.one_of(PARTS, "all"), fields=lower, keys=keys)


def _header(command: Command, required: Required) -> n.Test:
    given = arguments(command, required, TEXTS, TEXTS, tags=MATCHING)
    headers, keys = given.rest
    return n.Header(line=command.line, match=given.match(), headers=field_names(headers, command, required), keys=keys)


def _exists(command: Command, required: Required) -> n.Test:
    (headers,) = arguments(command, required, TEXTS).rest
    return n.Exists(line=command.line, headers=field_names(headers, command, required))


def _size(command: Command, required: Required) -> n.Test:
    given = arguments(command, required, NUMBER, tags={":over": Tag(), ":under": Tag()})
    which = given.one_of({":over": Tag(), ":under": Tag()}, "")
    if not which:
        raise ScriptError(command.line, "size takes :over or :under")
    return n.Size(line=command.line, over=which == "over", octets=given.rest[0])


def _body(command: Command, required: Required) -> n.Test:
    given = arguments(command, required, TEXTS, tags={**MATCHING, **_BODY})
    transform = given.one_of(_BODY, "text")
    types = given.tags.get(":content", ())
    return n.Body(line=command.line, match=given.match(), transform=transform, types=types, keys=given.rest[0])


def _string(command: Command, required: Required) -> n.Test:
    given = arguments(command, required, TEXTS, TEXTS, tags=MATCHING)
    sources, keys = given.rest
    return n.Value(line=command.line, match=given.match(), sources=sources, keys=keys)


def _has_flag(command: Command, required: Required) -> n.Test:
    given = arguments(command, required, TEXTS, TEXTS, tags=MATCHING, optional_first=1)
    variables, keys = given.rest
    if variables is not None and "variables" not in required:
        raise ScriptError(command.line, 'flags in a variable need require "variables"')
    return n.HasFlag(line=command.line, match=given.match(), variables=variables or (), keys=keys)


def _mailbox_exists(command: Command, required: Required) -> n.Test:
    (mailboxes,) = arguments(command, required, TEXTS).rest
    return n.MailboxExists(line=command.line, mailboxes=mailboxes)


_TESTS: Mapping[str, Checked] = {
    "true": Checked(_constant),
    "false": Checked(_constant),
    "not": Checked(_not),
    "allof": Checked(_several),
    "anyof": Checked(_several),
    "address": Checked(_address),
    "envelope": Checked(_envelope, frozenset({"envelope"})),
    "header": Checked(_header),
    "exists": Checked(_exists),
    "size": Checked(_size),
    "body": Checked(_body, frozenset({"body"})),
    "string": Checked(_string, frozenset({"variables"})),
    "hasflag": Checked(_has_flag, frozenset({"imap4flags"})),
    "mailboxexists": Checked(_mailbox_exists, frozenset({"mailbox"})),
}
