"""The actions of a script, checked."""

import re
from collections.abc import Mapping

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.sieve import nodes as n
from gateways.sieve.check_tests import FIELD_NAME, Checked, Required
from gateways.sieve.lexer import ScriptError
from gateways.sieve.signatures import MATCHING, NUMBER, TEXT, TEXTS, Tag, arguments
from gateways.sieve.syntax import Command

DAY_S = 86_400
MAX_SECONDS = 90 * DAY_S
DEFAULT_DAYS = 7
"""RFC 5230 section 4.1 lets a site choose between 1 and this; ours is from an hour to 90 days."""
MIN_SECONDS = 3600
MODIFIERS = ("quotewildcard", "length", "lower", "upper", "lowerfirst", "upperfirst")
_PRECEDENCE = (("lower", "upper"), ("lowerfirst", "upperfirst"), ("quotewildcard",), ("length",))
"""RFC 5229 section 4.1: applied in this order, at most one of each."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FLAGS = {":flags": Tag(TEXTS, "imap4flags")}
_VACATION: Mapping[str, Tag] = {
    ":days": Tag(NUMBER),
    ":seconds": Tag(NUMBER, "vacation-seconds"),
    ":subject": Tag(TEXT),
    ":from": Tag(TEXT),
    ":addresses": Tag(TEXTS),
    ":mime": Tag(),
    ":handle": Tag(TEXT),
}


def _stop(command: Command, required: Required) -> n.Action:
    arguments(command, required)
    return n.Stop(line=command.line)


def _keep(command: Command, required: Required) -> n.Action:
    return n.Keep(line=command.line, flags=arguments(command, required, tags=_FLAGS).tags.get(":flags"))


def _discard(command: Command, required: Required) -> n.Action:
    arguments(command, required)
    return n.Discard(line=command.line)


def _file_into(command: Command, required: Required) -> n.Action:
    tags = {**_FLAGS, ":copy": Tag("", "copy"), ":create": Tag("", "mailbox")}
    given = arguments(command, required, TEXT, tags=tags)
    return n.FileInto(
        line=command.line,
        mailbox=given.rest[0],
        copy=":copy" in given.tags,
        create=":create" in given.tags,
        flags=given.tags.get(":flags"),
    )


def _redirect(command: Command, required: Required) -> n.Action:
    given = arguments(command, required, TEXT, tags={":copy": Tag("", "copy")})
    address = _address(given.rest[0], command, required)
    return n.Redirect(line=command.line, address=address, copy=":copy" in given.tags)


def _address(text: str, command: Command, required: Required) -> str:
    if "variables" in required and "${" in text:
        return text
    try:
        EmailAddress.parse(text.strip().removeprefix("<").removesuffix(">"))
    except AddressInvalidError as error:
        raise ScriptError(command.line, f"{text[:80]!r} is no address: {error}") from error
    return text


def _reject(command: Command, required: Required) -> n.Action:
    return n.Reject(line=command.line, reason=arguments(command, required, TEXT).rest[0])


def _vacation(command: Command, required: Required) -> n.Action:
    given = arguments(command, required, TEXT, tags=_VACATION)
    if ":days" in given.tags and ":seconds" in given.tags:
        raise ScriptError(command.line, ":days and :seconds exclude each other")
    days = min(max(given.tags.get(":days", DEFAULT_DAYS), 1), 90)
    asked = given.tags.get(":seconds", days * DAY_S)
    return n.Vacation(
        line=command.line,
        reason=given.rest[0],
        seconds=min(max(asked, MIN_SECONDS), MAX_SECONDS),
        subject=given.tags.get(":subject", ""),
        from_=given.tags.get(":from", ""),
        addresses=given.tags.get(":addresses", ()),
        mime=":mime" in given.tags,
        handle=given.tags.get(":handle", ""),
    )


def _flags(command: Command, required: Required) -> n.Action:
    variable, flags = arguments(command, required, TEXT, TEXTS, optional_first=1).rest
    if variable is not None and "variables" not in required:
        raise ScriptError(command.line, 'flags in a variable need require "variables"')
    name = "" if variable is None else _variable(variable, command)
    return n.Flags(line=command.line, what=command.name.removesuffix("flag"), flags=flags, variable=name)


def _set(command: Command, required: Required) -> n.Action:
    given = arguments(command, required, TEXT, TEXT, tags={f":{name}": Tag() for name in MODIFIERS})
    name, value = given.rest
    modifiers: list[str] = []
    for alike in _PRECEDENCE:
        chosen = [modifier for modifier in alike if f":{modifier}" in given.tags]
        if len(chosen) > 1:
            raise ScriptError(command.line, f":{chosen[0]} and :{chosen[1]} exclude each other")
        modifiers += chosen
    return n.Set(line=command.line, name=_variable(name, command), value=value, modifiers=tuple(modifiers))


def _variable(name: str, command: Command) -> str:
    if not _VARIABLE.fullmatch(name) or len(name) > 64:
        raise ScriptError(command.line, f"{name[:80]!r} is no name of a variable")
    return name.lower()


def _add_header(command: Command, required: Required) -> n.Action:
    given = arguments(command, required, TEXT, TEXT, tags={":last": Tag()})
    name, value = given.rest
    return n.AddHeader(line=command.line, name=_field(name, command, required), value=value, last=":last" in given.tags)


def _delete_header(command: Command, required: Required) -> n.Action:
    tags = {**MATCHING, ":index": Tag(NUMBER), ":last": Tag()}
    node = command
    patterns: n.Texts = ()
    if sum(one.kind in ("string", "list") for one in command.arguments) > 1 + _values_of_tags(command):
        given = arguments(node, required, TEXT, TEXTS, tags=tags)
        name, patterns = given.rest
    else:
        given = arguments(node, required, TEXT, tags=tags)
        (name,) = given.rest
    if ":last" in given.tags and ":index" not in given.tags:
        raise ScriptError(command.line, ":last belongs to :index")
    return n.DeleteHeader(
        line=command.line,
        name=_field(name, command, required),
        match=given.match(),
        keys=patterns,
        index=given.tags.get(":index", 0),
        last=":last" in given.tags,
    )


def _values_of_tags(command: Command) -> int:
    """How many of the strings belong to a tag."""
    return sum(one.kind == "tag" and one.value in (":comparator", ":count", ":value") for one in command.arguments)


def _field(name: str, command: Command, required: Required) -> str:
    if not FIELD_NAME.fullmatch(name) and not ("variables" in required and "${" in name):
        raise ScriptError(command.line, f"{name[:80]!r} is no name of a header field")
    return name


ACTIONS: Mapping[str, Checked] = {
    "stop": Checked(_stop),
    "keep": Checked(_keep),
    "discard": Checked(_discard),
    "redirect": Checked(_redirect),
    "fileinto": Checked(_file_into, frozenset({"fileinto"})),
    "reject": Checked(_reject, frozenset({"reject"})),
    "ereject": Checked(_reject, frozenset({"ereject"})),
    "vacation": Checked(_vacation, frozenset({"vacation", "vacation-seconds"})),
    "setflag": Checked(_flags, frozenset({"imap4flags"})),
    "addflag": Checked(_flags, frozenset({"imap4flags"})),
    "removeflag": Checked(_flags, frozenset({"imap4flags"})),
    "set": Checked(_set, frozenset({"variables"})),
    "addheader": Checked(_add_header, frozenset({"editheader"})),
    "deleteheader": Checked(_delete_header, frozenset({"editheader"})),
}
