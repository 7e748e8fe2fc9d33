"""Filters and the automatic reply as their owner writes them: JSON."""

from typing import Annotated, Literal

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")]
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


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A Sieve script (RFC 5228), at most 60,000 octets; empty for none."""

    script: Annotated[str, msgspec.Meta(max_length=60_000)]
