"""Filters and the automatic reply: kept as their owner put them, in shape; run by delivery."""

from typing import Annotated, Any, Literal

import msgspec

from domain.decisions import ReplaceRules, SetVacation
from gateways.http.messages import moment
from gateways.http.operations import Answer, Call, Id, Operation, Reached, Read
from gateways.http.problems import ProblemError

Text = Annotated[str, msgspec.Meta(max_length=1000)]


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the message, how it is compared, and with what; `size` in bytes."""

    field: Literal["from", "to", "cc", "subject", "body", "header", "list_id", "size", "has_attachment"]
    op: Literal["contains", "not_contains", "is", "is_not", "begins_with", "ends_with", "matches", "above", "below"]
    value: Text = ""
    header: Annotated[str, msgspec.Meta(max_length=76)] = ""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What is done: with a label, a keyword, or an address to forward to."""

    do: Literal["add_label", "remove_label", "add_keyword", "archive", "mark_read", "star", "trash", "spam", "forward"]
    label: Id | None = None
    keyword: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    address: Annotated[str, msgspec.Meta(max_length=320)] | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Where all (or any) conditions hold, all actions are done; `stop` lets no later rule look."""

    name: Text = ""
    enabled: bool = True
    match: Literal["all", "any"] = "all"
    conditions: Annotated[tuple[Condition, ...], msgspec.Meta(max_length=50)] = ()
    actions: Annotated[tuple[Action, ...], msgspec.Meta(min_length=1, max_length=20)]
    stop: bool = False


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The filters, in their order."""

    rules: Annotated[tuple[Rule, ...], msgspec.Meta(max_length=200)]


class Vacation(msgspec.Struct, frozen=True, kw_only=True):
    """The automatic reply; `from_at` and `until_at` are RFC 3339. Nobody gets it twice within `interval_days`."""

    enabled: bool
    subject: Text = ""
    text: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    from_at: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    until_at: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    interval_days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 7


def read_rules(call: Call[Read, None]) -> Answer:
    """Empty until they are put."""
    return _document(call, "rules", Rules(rules=()))


def put_rules(call: Call[None, Rules]) -> Answer:
    """They replace those before."""
    encoded = msgspec.json.encode(call.body)
    return call.written(
        ReplaceRules(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, rules=encoded)
    )


def read_vacation(call: Call[Read, None]) -> Answer:
    """Disabled until it is put."""
    return _document(call, "vacation", Vacation(enabled=False))


def put_vacation(call: Call[None, Vacation]) -> Answer:
    """It replaces the one before."""
    asked = call.body
    given = {"from_at": asked.from_at, "until_at": asked.until_at}
    times = [moment(text, name=name, code="vacation_invalid") for name, text in given.items() if text is not None]
    if times != sorted(times):
        raise ProblemError("vacation_invalid", "it ends before it begins")
    encoded = msgspec.json.encode(asked)
    return call.written(
        SetVacation(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, vacation=encoded)
    )


def _document(call: Call[Read, None], kind: str, default: Any) -> Answer:
    for _, body in call.parts.facts.documents(call.mailbox_id, kind):
        return Answer(bytes(body))
    return Answer(msgspec.json.encode(default))


def _get(path: str, summary: str, run: Any, kind: Any) -> Operation:
    return Operation(method="GET", path=path, summary=summary, run=run, answers={200: kind}, tag="accounts")


def _put(path: str, summary: str, run: Any, kind: Any, error: str) -> Operation:
    return Operation(
        method="PUT",
        path=path,
        summary=summary,
        run=run,
        body=kind,
        answers={200: Reached},
        errors=(error,),
        tag="accounts",
    )


OPERATIONS = (
    _get("/v1/rules", "The filters", read_rules, Rules),
    _put("/v1/rules", "Replace the filters", put_rules, Rules, "rules_invalid"),
    _get("/v1/vacation", "The automatic reply", read_vacation, Vacation),
    _put("/v1/vacation", "Replace the automatic reply", put_vacation, Vacation, "vacation_invalid"),
)
