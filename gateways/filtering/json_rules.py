"""An owner's JSON rules as a program: the same tests and actions that a Sieve script is made of."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import msgspec

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.filtering.shapes import Action, Condition, Rule, Rules
from gateways.sieve import nodes as n
from gateways.sieve.check_tests import FIELD_NAME
from gateways.sieve.flags import keywords_for
from gateways.sieve.outcome import RuleError

_ADDRESSES = ("from", "to", "cc")
_SIZE = re.compile(r"[0-9]{1,15}", re.ASCII)
_PATTERN_ESCAPES = str.maketrans({"*": "\\*", "?": "\\?", "\\": "\\\\"})


@lru_cache(maxsize=1024)
def program_of_rules(rules: bytes) -> n.Program:
    """The program that these rules are.

    Raises: RuleError: they are none.
    """
    try:
        found = msgspec.json.decode(rules, type=Rules)
    except msgspec.DecodeError as error:
        raise RuleError(f"the rules cannot be read: {error}") from error
    return n.Program(tuple(_rule(rule) for rule in found.rules if rule.enabled))


def faults_of(rule: Rule) -> Iterator[str]:
    """What is missing in a rule, or cannot be, beyond its shape."""
    for condition in rule.conditions:
        if condition.field == "header" and not FIELD_NAME.fullmatch(condition.header):
            yield "a condition on a header field names one"
        if condition.field == "size" and not _SIZE.fullmatch(condition.value.strip()):
            yield "a size is a number of bytes"
    for action in rule.actions:
        if action.do in ("add_label", "remove_label") and action.label is None:
            yield f"{action.do} names a label"
        if action.do == "add_keyword" and not keywords_for([action.keyword or ""]):
            yield "add_keyword names a keyword"
        if action.do == "forward" and not _is_address(action.address or ""):
            yield "forward names an address"


def _is_address(text: str) -> bool:
    try:
        EmailAddress.parse(text)
    except AddressInvalidError:
        return False
    return True


def _rule(rule: Rule) -> n.Action:
    tests = tuple(_condition(condition) for condition in rule.conditions)
    test: n.Test = n.AllOf(tests=tests) if rule.match == "all" else n.AnyOf(tests=tests)
    if not tests:
        test = n.Constant(holds=True)
    actions = tuple(_ACTIONS[action.do](action) for action in rule.actions)
    return n.If(branches=((test, (*actions, n.Stop()) if rule.stop else actions),))


def _condition(condition: Condition) -> n.Test:
    if condition.field == "has_attachment":
        wanted = condition.value.strip().lower() not in ("false", "no", "0")
        return _unless(n.HasAttachment(), is_not=not wanted or condition.op in ("is_not", "not_contains"))
    if condition.field == "size":
        return _size(condition)
    match, key = _match(condition)
    return _unless(_compared(condition, match, (key,)), is_not=condition.op in ("not_contains", "is_not"))


def _compared(condition: Condition, match: n.Match, keys: n.Texts) -> n.Test:
    """The test; a person is known by address or by name, so both are looked at."""
    if condition.field == "body":
        return n.Body(match=match, transform="text", types=(), keys=keys)
    if condition.field in _ADDRESSES:
        field = (condition.field,)
        address = n.Address(match=match, part="all", headers=field, keys=keys)
        return n.AnyOf(tests=(address, n.Header(match=match, headers=field, keys=keys)))
    header = {"subject": "subject", "list_id": "list-id"}.get(condition.field, condition.header or "subject")
    return n.Header(match=match, headers=(header,), keys=keys)


def _match(condition: Condition) -> tuple[n.Match, str]:
    plain = condition.value.translate(_PATTERN_ESCAPES)
    match condition.op:
        case "contains" | "not_contains":
            return n.Match("contains"), condition.value
        case "begins_with":
            return n.Match("matches"), f"{plain}*"
        case "ends_with":
            return n.Match("matches"), f"*{plain}"
        case "matches":
            return n.Match("matches"), condition.value
        case "above" | "below":
            relation = "gt" if condition.op == "above" else "lt"
            return n.Match("value", "i;ascii-numeric", relation), condition.value
        case _:
            return n.Match("is"), condition.value


def _size(condition: Condition) -> n.Test:
    digits = condition.value.strip()
    octets = int(digits) if _SIZE.fullmatch(digits) else 0
    if condition.op in ("above", "below"):
        return n.Size(over=condition.op == "above", octets=octets)
    same = n.Not(test=n.AnyOf(tests=(n.Size(over=True, octets=octets), n.Size(over=False, octets=octets))))
    return _unless(same, is_not=condition.op in ("is_not", "not_contains"))


def _unless(test: n.Test, *, is_not: bool) -> n.Test:
    return n.Not(test=test) if is_not else test


_ACTIONS: Mapping[str, Callable[[Action], n.Action]] = {
    "add_label": lambda action: n.FileInto(label_id=action.label or "INBOX", copy=True),
    "remove_label": lambda action: n.Unfile(label_id=action.label or "INBOX"),
    "add_keyword": lambda action: n.Mark(flags=(action.keyword or "",)),
    "archive": lambda _action: n.Unfile(label_id="INBOX"),
    "mark_read": lambda _action: n.Mark(flags=("\\Seen",)),
    "star": lambda _action: n.Mark(flags=("\\Flagged",)),
    "trash": lambda _action: n.FileInto(label_id="TRASH"),
    "spam": lambda _action: n.FileInto(label_id="SPAM"),
    "forward": lambda action: n.Redirect(address=action.address or "", copy=True),
}
