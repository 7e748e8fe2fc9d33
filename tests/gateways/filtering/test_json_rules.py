"""Rules as JSON: the same program that a script is."""

from typing import Any

import msgspec
import pytest

from gateways.filtering.deciding import decided, placed
from gateways.filtering.json_rules import faults_of
from gateways.filtering.owner_rules import OwnerRules
from gateways.filtering.shapes import Rule
from gateways.sieve.outcome import Outcome
from tests.gateways.sieve.scripts import MAIL, message

NOW_MS = 1_795_000_000_000


def outcome(*rules: dict[str, Any], script: str = "", vacation: dict[str, Any] | None = None) -> Outcome:
    body = b"" if vacation is None else msgspec.json.encode(vacation)
    owner = OwnerRules(rules=msgspec.json.encode({"rules": rules}), script=script, vacation=body)
    return decided(owner, message(), received_at=NOW_MS)


def holds(*conditions: dict[str, str], match: str = "all") -> bool:
    found = outcome({"match": match, "conditions": conditions, "actions": [{"do": "star"}]})
    assert not found.error
    return "$flagged" in found.flags


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("from", "contains", "COYOTE@desert"),
        ("from", "is", "coyote@desert.example.org"),
        ("from", "begins_with", "coyote <coy"),
        ("to", "ends_with", "@frobnitzm.example"),
        ("to", "not_contains", "nobody"),
        ("cc", "is_not", "anybody"),
        ("subject", "contains", "présent"),
        ("subject", "matches", "I have*you"),
        ("subject", "begins_with", "I have a"),
        ("body", "contains", "anvil"),
        ("list_id", "not_contains", "x"),
        ("size", "above", "100"),
        ("size", "below", "100000"),
        ("size", "is", str(len(MAIL))),
        ("size", "is_not", "5"),
        ("has_attachment", "is", "true"),
        ("has_attachment", "is_not", "false"),
    ],
)
def test_a_condition_holds(field: str, op: str, value: str) -> None:
    if (field, op) == ("has_attachment", "is_not"):
        assert not holds({"field": field, "op": "is", "value": value})
        return
    assert holds({"field": field, "op": op, "value": value})


def test_a_condition_on_a_field_names_it_and_what_looks_like_a_pattern_is_none() -> None:
    assert holds({"field": "header", "header": "X-Priority", "op": "begins_with", "value": "3"})
    assert not holds({"field": "subject", "op": "begins_with", "value": "*have"})
    assert holds({"field": "header", "header": "x-priority", "op": "below", "value": "5"})


def test_all_or_any_conditions_hold_and_none_is_always() -> None:
    so, not_so = {"field": "subject", "op": "contains", "value": "present"}, {"field": "cc", "op": "is", "value": "x"}
    so = so | {"value": "I have"}
    assert not holds(so, not_so)
    assert holds(so, not_so, match="any")
    assert holds()


@pytest.mark.parametrize(
    ("actions", "labels"),
    [
        ([], ["INBOX"]),
        ([{"do": "add_label", "label": "l1"}], ["l1", "INBOX"]),
        ([{"do": "add_label", "label": "l1"}, {"do": "archive"}], ["l1"]),
        ([{"do": "archive"}], ["ARCHIVE"]),
        ([{"do": "remove_label", "label": "INBOX"}], ["ARCHIVE"]),
        ([{"do": "add_label", "label": "l1"}, {"do": "remove_label", "label": "l1"}], ["INBOX"]),
        ([{"do": "add_label", "label": "l1"}, {"do": "trash"}], ["TRASH"]),
        ([{"do": "spam"}], ["SPAM"]),
        ([{"do": "forward", "address": "a@b.test"}], ["INBOX"]),
    ],
)
def test_actions_choose_the_labels(actions: list[dict[str, str]], labels: list[str]) -> None:
    found = placed(outcome({"actions": [{"do": "mark_read"}, *actions]}))
    assert list(found.labels) == labels
    assert "$seen" in found.keywords
    assert ("$junk" in found.keywords) == (labels == ["SPAM"])


def test_a_rule_that_is_off_does_nothing() -> None:
    assert outcome({"enabled": False, "actions": [{"do": "trash"}]}).is_kept


def test_the_automatic_reply_is_given_between_its_times_unless_the_mail_was_thrown_away() -> None:
    away = {"enabled": True, "text": "Away"}
    assert outcome(vacation=away).vacation is not None
    assert outcome(vacation=away | {"enabled": False}).vacation is None
    assert outcome(vacation=away | {"from_at": "2030-01-01T00:00:00Z"}).vacation is None
    assert outcome(vacation=away | {"until_at": "2020-01-01T00:00:00Z"}).vacation is None
    assert outcome(vacation=away, script="discard;").vacation is None


def test_what_is_stored_and_cannot_be_read_keeps_the_mail() -> None:
    broken = OwnerRules(rules=b'[{"if": 1}]')
    found = decided(broken, message(), received_at=NOW_MS)
    assert found.is_kept
    assert found.error
    assert outcome(script="nothing;").error == "line 1: there is no command 'nothing'"


@pytest.mark.parametrize(
    "rule",
    [
        {"conditions": [{"field": "header", "op": "is"}], "actions": [{"do": "star"}]},
        {"conditions": [{"field": "size", "op": "above", "value": "1 MB"}], "actions": [{"do": "star"}]},
        {"actions": [{"do": "add_label"}]},
        {"actions": [{"do": "add_keyword", "keyword": "$deleted"}]},
        {"actions": [{"do": "forward", "address": "a@"}]},
    ],
)
def test_a_rule_that_lacks_something_is_told_of(rule: dict[str, Any]) -> None:
    assert list(faults_of(msgspec.convert(rule, Rule)))
